package simulator

// Held is how much the mirror holds that no answer shows: changes that are
// late, and prices.
func (h *Hotel) Held() (late, prices int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.house.mirror.late), len(h.house.mirror.prices)
}
