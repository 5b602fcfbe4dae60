package actors

import (
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// users is whose a connection is in a state.
type users int

const (
	nobody  users = iota
	oneCall       // in the middle of its exchange
	aLine         // of calls that share it
)

// facts is what each state means: whether the actor has a socket that works, whose it is,
// and whether that one call still writes its body, or reads the answer's.
var facts = map[connState]struct {
	named         string
	up, dials     bool
	of            users
	writes, reads bool
}{
	connDialing: {named: "dialing", dials: true},
	connOpen:    {named: "open", up: true},
	connWriting: {named: "writing", up: true, of: oneCall, writes: true},
	connReading: {named: "reading", up: true, of: oneCall, reads: true},
	connShared:  {named: "shared", up: true, of: aLine},
	connClosed:  {named: "closed"},
}

// due tells, from what a state means, whether an event makes sense in it.
func due(s connState, e connEvent) bool {
	f := facts[s]
	switch e {
	case evDialed: // comes once
		return f.dials
	case evRoundTrip, evSend, evLook: // need the connection for themselves
		return f.up && f.of == nobody
	case evFlush: // may join others of its kind
		return f.up && f.of != oneCall
	case evAtRest, evBroken: // reports about a pipeline
		return f.of == aLine
	case evFeed, evReceive: // go on behind a part of a request
		return f.writes
	case evRead, evReadAll: // go on behind an answer's head
		return f.reads
	case evAbandon: // ends an exchange that has begun
		return f.of == oneCall
	case evStop: // ends what has not ended
		return f.up || f.dials
	case evGone: // follows the end
		return !f.up && !f.dials
	}
	return false
}

// TestConnectionStateTable holds each pair of the table to what its state and its event
// mean.
func TestConnectionStateTable(t *testing.T) {
	for s := range connStates {
		if facts[s].named == "" {
			t.Fatalf("say what state %d means", s)
		}
		for e := range connEvents {
			if accepts[s][e] != due(s, e) {
				t.Errorf("%s, event %d: accepted is %v", facts[s].named, e, accepts[s][e])
			}
		}
	}
	for e := range connEvents {
		if !slices.ContainsFunc(accepts[:], func(row [connEvents]bool) bool { return row[e] }) {
			t.Errorf("no state accepts event %d", e)
		}
	}
}

// TestConnectionStateComment: the table that people read has the same rows, leads from
// state to state only, and to each of them.
func TestConnectionStateComment(t *testing.T) {
	states := map[string]connState{}
	for s, f := range facts {
		states[f.named] = s
	}
	events := map[string]connEvent{
		"dialed": evDialed, "roundTrip": evRoundTrip, "send": evSend, "feed": evFeed, "receive": evReceive, "read": evRead, "readAll": evReadAll,
		"abandon": evAbandon, "look": evLook, "flush": evFlush, "atRest": evAtRest, "broken": evBroken, "stop": evStop, "gone": evGone,
	}
	if len(events) != int(connEvents) {
		t.Fatalf("%d events are named, of %d", len(events), connEvents)
	}
	var rows [connStates][connEvents]bool
	reached := map[string]bool{"dialing": true}
	for _, row := range tableRows(t) {
		state, event, next := row[1], row[2], row[3]
		e, known := events[event]
		if !known {
			t.Errorf("the table has an event %s", event)
		}
		for _, to := range strings.Split(next, " | ") {
			if _, known := states[to]; !known {
				t.Errorf("%s, %s: leads to %q", state, event, to)
			}
			reached[to] = true
		}
		s, known := states[state]
		switch {
		case known:
			rows[s][e] = true
		case state == "any":
			for s := range connClosed {
				rows[s][e] = true
			}
		default:
			t.Errorf("the table has a state %s", state)
		}
	}
	if rows != accepts {
		t.Errorf("the comment says\n%v\nand the code does\n%v", rows, accepts)
	}
	if len(reached) != int(connStates) {
		t.Errorf("the table leads to %v only", slices.Sorted(maps.Keys(reached)))
	}
}

// tableRows are the rows of connState's comment: state, event, next.
func tableRows(t *testing.T) [][]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "connection_state.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^//\t(\w+) +(\w+) +(\w+(?: \| \w+)*)  +\S`)
	var table strings.Builder
	for _, comment := range file.Comments[0].List {
		table.WriteString(comment.Text + "\n")
	}
	rows := row.FindAllStringSubmatch(table.String(), -1)
	if len(rows) < 2 {
		t.Fatalf("no table in the first comment of connstate.go:\n%s", &table)
	}
	return rows[1:] // without their heading
}

// TestConnectionRefusesWhatItsStateDoesNotExpect drives the actor's own check:
// the sender of a step that is not due gets an answer and the state stays.
func TestConnectionRefusesWhatItsStateDoesNotExpect(t *testing.T) {
	s := &Scheduler{}
	steps := map[connEvent]func(*Call) any{
		evRoundTrip: func(c *Call) any { return (*roundTrip)(c) },
		evSend:      func(c *Call) any { return (*send)(c) },
		evFeed:      func(c *Call) any { return (*feed)(c) },
		evReceive:   func(c *Call) any { return (*receive)(c) },
		evRead:      func(c *Call) any { return (*read)(c) },
		evReadAll:   func(c *Call) any { return (*readAll)(c) },
	}
	for st := range connStates {
		for e, message := range steps {
			if due(st, e) {
				continue
			}
			c := &connection{phase: st}
			c.sched = s
			call := s.NewCall()
			call.conn, call.ctx = &c.Conn, t.Context()
			if c.handle(nil, message(call)); !call.reply.wait(nil, nil) || call.err == nil {
				t.Errorf("state %d, event %d: the sender got no error", st, e)
			}
			if c.phase != st {
				t.Errorf("state %d, event %d: the state became %d", st, e, c.phase)
			}
		}
	}
}
