package web

// Pumping reports whether streams can be carried by pumps now.
func (s *Server) Pumping() bool { return s.pumps.Load() != nil }
