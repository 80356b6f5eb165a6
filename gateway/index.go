package gateway

// An index finds the feeds that may match an event without asking every feed.
// It is not safe for concurrent use.
type index struct {
	hasher
	stands map[uint64][]stand // by the hash of a key
}

// A stand is where a feed stands under one of its keys: the feed says where in
// the list.
type stand struct {
	feed *Feed
	key  int // of the feed's, which one
}

// A standing is one key of a feed, and its place in the list of that key.
type standing struct {
	hash  uint64
	place int
}

func newIndex() *index { return &index{newHasher(), make(map[uint64][]stand)} }

func (x *index) add(f *Feed) {
	f.standings = make([]standing, len(f.sub.keys))
	for i, k := range f.sub.keys {
		hash := x.of(k)
		f.standings[i] = standing{hash, len(x.stands[hash])}
		x.stands[hash] = append(x.stands[hash], stand{f, i})
	}
}

func (x *index) remove(f *Feed) {
	for _, s := range f.standings {
		list := x.stands[s.hash]
		last := len(list) - 1
		moved := list[last]
		list[s.place], list[last] = moved, stand{}
		moved.feed.standings[moved.key].place = s.place
		if last == 0 {
			delete(x.stands, s.hash)
		} else {
			x.stands[s.hash] = list[:last]
		}
	}
}

// candidates calls f with every feed that stands under one of the hashes or shows
// whatever there is, with some of them repeatedly.
func (x *index) candidates(hashes []uint64, f func(*Feed)) {
	for _, hash := range hashes {
		x.under(hash, f)
	}
	x.under(x.everything, f)
}

func (x *index) under(hash uint64, f func(*Feed)) {
	for _, s := range x.stands[hash] {
		f(s.feed)
	}
}
