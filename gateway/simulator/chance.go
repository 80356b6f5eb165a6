package simulator

import (
	"encoding/hex"
	"math"
	"math/rand/v2"
	"time"
)

// chance draws what a hotel leaves to chance, always the same for one seed
// and purpose.
type chance struct{ *rand.Rand }

func newChance(seed, purpose uint64) chance {
	return chance{rand.New(rand.NewPCG(seed, purpose))}
}

// happens is true with probability p.
func (c chance) happens(p float64) bool { return c.Float64() < p }

// duration is uniform between from and to, in whole seconds.
func (c chance) duration(from, to time.Duration) time.Duration {
	return from + time.Duration(c.Float64()*float64(to-from)).Truncate(time.Second)
}

// count is Poisson-distributed around mean, by Knuth's method in steps, so
// that a large mean does not underflow.
func (c chance) count(mean float64) int {
	const step = 30
	n := 0
	for ; mean > step; mean -= step {
		n += c.count(step)
	}
	for p := c.Float64(); p > math.Exp(-mean); p *= c.Float64() {
		n++
	}
	return n
}

// id is a random lower-case GUID in the form of RFC 9562, version 4.
func (c chance) id() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(c.Uint32())
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

func pick[T any](c chance, from []T) T { return from[c.IntN(len(from))] }
