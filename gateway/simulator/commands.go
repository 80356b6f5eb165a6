package simulator

import "slices"

// getActiveCommands shows what no device has begun with. It takes no filter
// and has no pages.
func getActiveCommands(h *Hotel, q *request) object {
	q.end()
	rows := []object{}
	for _, c := range slices.Backward(h.house.mirror.commands.rows) {
		if s := c.entity.State; s == CommandPending || s == CommandReceived {
			rows = append(rows, h.commandRow(&c.entity))
		}
	}
	return object{{"Commands", rows}, {"Cursor", nil}}
}

func getCommands(h *Hotel, q *request) object {
	q.require("CommandIds")
	rows, cursor := page(q, &h.house.mirror.commands, query[Command]{
		ids: q.ids("CommandIds", mostIDs), passes: all[Command](), row: h.commandRow, unpaged: true,
	})
	return object{{"Commands", rows}, {"Cursor", cursor}}
}

func (h *Hotel) commandRow(c *Command) object {
	return object{
		{"Id", c.ID}, {"State", string(c.State)}, {"CreatedUtc", c.CreatedUTC},
		{"Creator", object{{"FirstName", "Ana"}, {"LastName", "Reception"}, {"ImageUrl", nil}}},
		{"Device", h.deviceRow(c.DeviceID)},
		{"Data", h.keyData(c)},
	}
}

// keyData is what the device needs to know. Names are missing where the
// reservation is forgotten.
func (h *Hotel) keyData(c *Command) object {
	data := object{{"KeyCutterId", c.DeviceID}, {"KeyCount", c.KeyCount}, {"ReservationId", c.ReservationID}}
	if r := h.house.mirror.rooms.get(c.RoomID); r != nil {
		data = append(data, member{"LockIds", []string{r.Name}})
	}
	if r := h.house.mirror.reservations.get(c.ReservationID); r != nil {
		data = append(data, object{
			{"ReservationNumber", r.Number}, {"StartUtc", r.StartUTC()}, {"EndUtc", r.EndUTC()},
			{"FirstName", r.Customer.FirstName}, {"LastName", r.Customer.LastName},
			{"Email", r.Customer.Email}, {"Telephone", r.Customer.Phone},
		}...)
	}
	return data
}

// getDevices shows the hotel's devices; those linked later too.
func getDevices(h *Hotel, q *request) object {
	q.end()
	rows := []object{}
	for _, d := range h.house.devices {
		rows = append(rows, h.deviceRow(d.ID))
	}
	return object{{"Devices", rows}}
}

func (h *Hotel) deviceRow(id string) object {
	i := slices.IndexFunc(h.house.devices, func(d Device) bool { return d.ID == id })
	d := h.house.devices[i]
	return object{{"Id", d.ID}, {"Type", d.Type}, {"Name", d.Name}, {"Identifier", nil}}
}
