package simulator

import (
	"slices"
	"strconv"
	"time"
)

func getResources(h *Hotel, q *request) object {
	q.enterprises(h)
	extent := q.extent("Resources", "Inactive")
	ask := query[Room]{ids: q.ids("ResourceIds", mostIDs), row: h.roomRow}
	ask.passes = all(
		in(q.texts("Names", mostIDs), func(r *Room) string { return r.Name }),
		during(q.interval("CreatedUtc"), func(r *Room) time.Time { return r.CreatedUTC }),
		during(q.interval("UpdatedUtc"), func(r *Room) time.Time { return r.UpdatedUTC }),
		func(r *Room) bool { return r.Active || extent["Inactive"] },
	)
	rows, cursor := page(q, &h.house.mirror.rooms, ask)
	return object{
		{"Resources", rowsOf(rows, extent["Resources"])}, {"ResourceCategories", nil}, {"ResourceCategoryAssignments", nil},
		{"ResourceCategoryImageAssignments", nil}, {"ResourceFeatures", nil}, {"ResourceFeatureAssignments", nil},
		{"Cursor", cursor},
	}
}

// rowsOf are the rows where the extent has them, else null.
func rowsOf(rows []object, wanted bool) any {
	if !wanted {
		return nil
	}
	return rows
}

func (h *Hotel) roomRow(r *Room) object {
	return object{
		{"Id", r.ID}, {"EnterpriseId", h.identity.enterprise}, {"IsActive", r.Active}, {"ParentResourceId", nil},
		{"Name", r.Name}, {"State", string(r.State)}, {"Descriptions", object{}}, {"ExternalNames", object{}}, {"Directions", object{}},
		{"Data", object{{"Discriminator", "Space"}, {"Value", object{{"FloorNumber", strconv.Itoa(r.Floor)}, {"LocationNotes", nil}}}}},
		{"CreatedUtc", r.CreatedUTC}, {"UpdatedUtc", r.UpdatedUTC},
	}
}

func getCategories(h *Hotel, q *request) object {
	q.enterprises(h)
	q.require("ServiceIds")
	var t table[Category]
	for _, c := range slices.Backward(h.house.categories) {
		t.put(c.ID, c)
	}
	ask := query[Category]{ids: q.ids("ResourceCategoryIds", mostIDs)}
	ask.passes = all(
		services[Category](h, q),
		during(q.interval("UpdatedUtc"), func(*Category) time.Time { return h.identity.opened.UpdatedUTC }),
		activity(activityStates(q), func(*Category) bool { return true }),
	)
	ask.row = func(c *Category) object {
		ordering := slices.Index(h.house.categories, *c)
		return object{
			{"Id", c.ID}, {"EnterpriseId", h.identity.enterprise}, {"ServiceId", h.identity.stay}, {"IsActive", true},
			{"Type", "Room"}, {"Classification", nil}, {"Names", object{{"en-GB", c.Name}}}, {"ShortNames", object{{"en-GB", c.Name[:3]}}},
			{"Descriptions", object{}}, {"Ordering", ordering}, {"Capacity", 2}, {"ExtraCapacity", 0}, {"ExternalIdentifier", nil},
			{"AccountingCategoryId", nil},
		}
	}
	rows, cursor := page(q, &t, ask)
	return object{{"ResourceCategories", rows}, {"Cursor", cursor}}
}

// getBlocks shows active blocks only, unless it is asked for others.
func getBlocks(h *Hotel, q *request) object {
	q.enterprises(h)
	states := activityStates(q)
	if states == nil {
		states = []string{"Active"}
	}
	ask := query[Block]{ids: q.ids("ResourceBlockIds", mostIDs), row: h.blockRow}
	ask.passes = all(
		in(q.ids("AssignedResourceIds", mostIDs), func(b *Block) string { return b.RoomID }),
		colliding(q.interval("CollidingUtc"), func(b *Block) time.Time { return b.StartUTC }, func(b *Block) time.Time { return b.EndUTC }),
		during(q.interval("CreatedUtc"), func(b *Block) time.Time { return b.CreatedUTC }),
		during(q.interval("UpdatedUtc"), func(b *Block) time.Time { return b.UpdatedUTC }),
		activity(states, func(b *Block) bool { return b.Active }),
	)
	rows, cursor := page(q, &h.house.mirror.blocks, ask)
	return object{{"ResourceBlocks", rows}, {"Cursor", cursor}}
}

func (h *Hotel) blockRow(b *Block) object {
	var deleted *time.Time
	if !b.Active {
		deleted = new(b.UpdatedUTC)
	}
	return object{
		{"Id", b.ID}, {"EnterpriseId", h.identity.enterprise}, {"AssignedResourceId", b.RoomID}, {"IsActive", b.Active},
		{"Type", string(RoomOutOfOrder)}, {"StartUtc", b.StartUTC}, {"EndUtc", b.EndUTC}, {"CreatedUtc", b.CreatedUTC},
		{"UpdatedUtc", b.UpdatedUTC}, {"DeletedUtc", deleted}, {"Name", "Repair"}, {"Notes", nil},
	}
}
