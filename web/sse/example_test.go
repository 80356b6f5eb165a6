package sse_test

import (
	"os"

	"bellhop/web/sse"
)

// A body is encoded once and goes out under any head: that of a live event
// with its position, that of a snapshot without.
func Example_sharedBody() {
	body := sse.AppendBody(nil, "Resource", []byte(`{"id":"u-7"}`))

	live := append(sse.AppendHead(nil, 0, "k3v9.1042"), body...)
	snapshot := append(sse.AppendHead(nil, 0, ""), body...)

	os.Stdout.Write(live)
	os.Stdout.Write(snapshot)
	// Output:
	// id: k3v9.1042
	// event: Resource
	// data: {"id":"u-7"}
	//
	// event: Resource
	// data: {"id":"u-7"}
}
