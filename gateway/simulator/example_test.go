package simulator_test

import (
	"fmt"
	"log"
	"time"

	"bellhop/gateway/simulator"
)

// A hotel can be gone through without a clock, and asked what happened.
func Example() {
	s, err := simulator.New(simulator.Options{Seed: 1, Start: time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC)})
	if err != nil {
		log.Fatal(err)
	}
	hotel := s.Hotel(simulator.AccessToken)
	room := hotel.Layout().Rooms[0]
	if err := hotel.SetRoom(room.ID, simulator.RoomOutOfService); err != nil {
		log.Fatal(err)
	}
	events, complete := hotel.EventsAfter(0)
	fmt.Println(hotel.Name(), room.Name, events[0].Type, complete)
	// Output: Hotel Meridian 101 Resource true
}
