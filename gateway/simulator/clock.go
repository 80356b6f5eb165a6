package simulator

import "time"

// clock is the hotel's own: while it runs it goes rate times as fast as the
// wall clock.
type clock struct {
	rate    float64
	running bool
	hotel   time.Time // what it showed
	wall    time.Time // at this moment
}

func (c *clock) now() time.Time {
	if !c.running {
		return c.hotel
	}
	return c.hotel.Add(time.Duration(float64(time.Since(c.wall)) * c.rate))
}

func (c *clock) set(hotel time.Time) { c.hotel, c.wall = hotel, time.Now() }

func (c *clock) run(on bool) {
	c.set(c.now())
	c.running = on
}

// until is the wall time that passes before the clock shows at.
func (c *clock) until(at time.Time) time.Duration {
	return time.Duration(float64(at.Sub(c.now())) / c.rate)
}
