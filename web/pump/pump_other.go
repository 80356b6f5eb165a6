//go:build !linux

package pump

import (
	"context"
	"errors"
	"syscall"

	"bellhop/gateway"
)

// Supported says that this system has no pumps: streams are carried by
// net/http.
const Supported = false

// Pumps do not exist here.
type Pumps struct{}

// New returns an error.
func New(Options) (*Pumps, error) { return nil, errors.New("pumps need Linux") }

// Run does nothing until ctx ends.
func (*Pumps) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Take panics: there is nobody to take the socket.
func (*Pumps) Take(int, *gateway.Stream, Done) { panic("pumps need Linux") }

// Descriptor returns an error.
func Descriptor(syscall.Conn) (int, error) { return -1, errors.New("pumps need Linux") }
