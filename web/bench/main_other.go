//go:build !linux

// Bench is the gateway's load generator, which needs Linux: it holds its sockets
// by epoll, and reads what the gateway takes from /proc.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: the load generator runs on Linux only")
	os.Exit(1)
}
