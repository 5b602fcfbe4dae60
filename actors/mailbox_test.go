package actors

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/conn"
)

// probeMessage is a message with a number that remembers its rejection.
type probeMessage struct {
	n        int
	do       func()
	rejected chan error
}

func (m *probeMessage) reject(err error) { m.rejected <- err }

// recorder stands in for the engine's actor context.
type recorder struct {
	mu        sync.Mutex
	got       []int
	system    []any
	escalated []any
}

func (r *recorder) InvokeUserMessage(m any) {
	p := m.(*probeMessage)
	r.mu.Lock()
	r.got = append(r.got, p.n)
	r.mu.Unlock()
	if p.do != nil {
		p.do()
	}
}

func (r *recorder) InvokeSystemMessage(m any) { r.system = append(r.system, m) }

func (r *recorder) EscalateFailure(reason, _ any) { r.escalated = append(r.escalated, reason) }

func (r *recorder) numbers() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// muchPatience is for what is sure to come, however slow the machine is.
const muchPatience = 2 * time.Minute

func newTestMailbox(t *testing.T, budget int) (*mailbox, *recorder) {
	g := &group{}
	t.Cleanup(func() {
		if !g.close(muchPatience) {
			t.Error("the crew did not end")
		}
	})
	m, r := newMailbox(g, budget), &recorder{}
	m.RegisterHandlers(r, nil)
	return m, r
}

func message(n int, do func()) *probeMessage {
	return &probeMessage{n: n, do: do, rejected: make(chan error, 1)}
}

func TestMailboxRunsOnTheSendersGoroutine(t *testing.T) {
	m, _ := newTestMailbox(t, 4)
	ran := false // unsynchronised on purpose: the race detector would object to another goroutine
	m.PostUserMessage(message(1, func() { ran = true }))
	if !ran {
		t.Error("the message had not run when the send returned")
	}
}

func TestMailboxNeverRunsTwoMessagesAtOnceAndKeepsEachSendersOrder(t *testing.T) {
	m, r := newTestMailbox(t, 2)
	const senders, each = 8, 500
	inside := 0
	var wg sync.WaitGroup
	var done sync.WaitGroup
	done.Add(senders * each)
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				m.PostUserMessage(message(s*each+i, func() {
					inside++
					if inside != 1 {
						t.Error("two messages ran at once")
					}
					inside--
					done.Done()
				}))
			}
		})
	}
	wg.Wait()
	done.Wait()
	last := map[int]int{}
	for _, n := range r.numbers() {
		s, i := n/each, n%each
		if i != last[s] {
			t.Fatalf("sender %d: message %d came where %d was due", s, i, last[s])
		}
		last[s]++
	}
}

func TestMailboxHandsOverWhatIsBeyondItsBudget(t *testing.T) {
	m, r := newTestMailbox(t, 2)
	third := make(chan struct{})
	m.PostUserMessage(message(0, func() {
		for i := 1; i <= 3; i++ {
			m.PostUserMessage(message(i, func() {
				if i == 3 {
					close(third)
				}
			}))
		}
	}))
	<-third // by a goroutine of the group: this one ran 0, 1 and 2
	if got := r.numbers(); !slices.Equal(got, []int{0, 1, 2, 3}) {
		t.Errorf("ran %v", got)
	}
}

func TestMailboxWithoutBudgetNeverDoesTheWorkOfOthers(t *testing.T) {
	m, _ := newTestMailbox(t, 0)
	started, release := make(chan struct{}), make(chan struct{})
	m.PostUserMessage(message(0, func() {
		m.PostUserMessage(message(1, func() { close(started); <-release }))
	}))
	<-started // the sender of 0 is here, while 1 blocks elsewhere
	close(release)
}

func TestMailboxSuspendedRunsSystemMessagesOnly(t *testing.T) {
	m, r := newTestMailbox(t, 4)
	m.PostSystemMessage(&actor.SuspendMailbox{})
	m.PostUserMessage(message(1, nil))
	m.PostSystemMessage("system")
	if len(r.got) != 0 || len(r.system) != 1 {
		t.Fatalf("suspended: ran %v and %v", r.got, r.system)
	}
	m.PostSystemMessage(&actor.ResumeMailbox{})
	if !slices.Equal(r.got, []int{1}) {
		t.Errorf("resumed: ran %v", r.got)
	}
}

func TestMailboxSystemMessagesGoFirst(t *testing.T) {
	m, r := newTestMailbox(t, 4)
	m.PostUserMessage(message(0, func() {
		m.PostUserMessage(message(1, func() {
			if len(r.system) != 1 {
				t.Error("the system message came after the user message")
			}
		}))
		m.PostSystemMessage("system")
	}))
	if len(r.got) != 2 {
		t.Errorf("ran %v", r.got)
	}
}

func TestMailboxPanicRejectsEscalatesAndGoesOn(t *testing.T) {
	m, r := newTestMailbox(t, 4)
	boom := errors.New("boom")
	bad := message(1, func() { panic(boom) })
	m.PostUserMessage(bad)
	if err := <-bad.rejected; !errors.Is(err, boom) {
		t.Errorf("rejected with %v, want the panic's error", err)
	}
	m.PostUserMessage(message(2, nil))
	if !slices.Equal(r.got, []int{1, 2}) || len(r.escalated) != 1 {
		t.Errorf("ran %v, escalated %v", r.got, r.escalated)
	}
}

func TestMailboxSurvivesGoexit(t *testing.T) {
	m, _ := newTestMailbox(t, 4)
	bad := message(1, runtime.Goexit)
	after := make(chan struct{})
	go func() {
		defer close(after)
		m.PostUserMessage(bad)
		t.Error("Goexit did not end the goroutine")
	}()
	if err := <-bad.rejected; err == nil {
		t.Error("rejected without a reason")
	}
	<-after
	ran := make(chan struct{})
	m.PostUserMessage(message(2, func() { close(ran) }))
	<-ran
}

func TestMailboxClosedRejectsWhatWaitsAndWhatComes(t *testing.T) {
	m, _ := newTestMailbox(t, 4)
	queued := message(2, func() { t.Error("ran after the end") })
	m.PostUserMessage(message(1, func() {
		m.PostUserMessage(queued)
		m.close()
	}))
	late := message(3, func() { t.Error("ran after the end") })
	m.PostUserMessage(late)
	for _, p := range []*probeMessage{queued, late} {
		if err := <-p.rejected; err != errActorGone {
			t.Errorf("message %d rejected with %v", p.n, err)
		}
	}
}

// leaving is a reporter with a report while full.
type leaving struct {
	t    *testing.T
	m    *mailbox
	full bool
	sent []any
}

func (l *leaving) takeReport() any {
	if !l.full {
		return nil
	}
	l.full = false
	return "report"
}

func (l *leaving) deliver(x any) {
	if l.m.status.Load() != mailboxIdle {
		l.t.Error("the parting message was sent while the mailbox was running")
	}
	l.sent = append(l.sent, x)
}

func (l *leaving) failed(error) {}

func TestMailboxSendsThePartingMessageWhenItIsFree(t *testing.T) {
	m, _ := newTestMailbox(t, 4)
	l := &leaving{t: t, m: m}
	m.reporter = l
	m.PostUserMessage(message(1, nil))
	m.PostUserMessage(message(2, func() { l.full = true }))
	if fmt.Sprint(l.sent) != "[report]" {
		t.Errorf("sent %v", l.sent)
	}
}

func TestRingKeepsOrderOverGrowth(t *testing.T) {
	var r ring
	next, due := 0, 0
	for round := range 50 {
		for range round {
			r.push(next)
			next++
		}
		for range round / 2 {
			if v, _ := r.pop(); v != due {
				t.Fatalf("popped %v, want %d", v, due)
			}
			due++
		}
	}
	if v, _ := r.pop(); v != due {
		t.Fatalf("popped %v, want %d", v, due)
	}
	r.unpop(due)
	if v, _ := r.pop(); v != due {
		t.Fatalf("popped %v after unpop, want %d", v, due)
	}
}

func TestSlotWakesTheParkedAndTheEarly(t *testing.T) {
	r := reply{ch: make(chan struct{}, 1)}
	r.reset()
	r.complete()
	if !r.wait(nil, nil) {
		t.Fatal("a complete slot did not let its waiter through")
	}
	for range 1000 {
		r.reset()
		go r.complete()
		if !r.wait(nil, nil) {
			t.Fatal("the waiter was not woken")
		}
	}
	left := make(chan struct{})
	close(left)
	r.reset()
	if r.wait(left, nil) {
		t.Fatal("nobody has completed the slot")
	}
	go r.complete()
	r.collect()
	if len(r.ch) != 0 {
		t.Error("a completion is left over for the next use")
	}
}

func TestCrewOutlivesAPanic(t *testing.T) {
	told := make(chan error, 1)
	g := &group{failed: func(err error) { told <- err }}
	boom := func() { panic(errBoom) }
	for name, start := range map[string]func() bool{
		"run":        func() bool { return g.run(boom) },
		"also":       func() bool { return g.also(boom) },
		"runErrand":  func() bool { return g.runErrand(&errand{}, boom) },
		"alsoErrand": func() bool { return g.alsoErrand(&errand{}, boom) },
		"start":      func() bool { return g.start(func() { defer g.leave(); boom() }) },
	} {
		if !start() {
			t.Fatalf("%s: not started", name)
		}
		err := <-told
		var p *conn.PanicError
		if !errors.As(err, &p) || !errors.Is(err, errBoom) || !strings.Contains(string(p.Stack), "TestCrewOutlivesAPanic") {
			t.Errorf("%s: told of %v", name, err)
		}
	}
	if !g.close(patience) {
		t.Error("somebody is counted who has left")
	}
}

func TestCrewCloseWaits(t *testing.T) {
	var g group
	release := make(chan struct{})
	g.run(func() { <-release })
	if g.close(time.Millisecond) {
		t.Error("close did not wait for the goroutine")
	}
	if g.run(func() {}) {
		t.Error("a closed crew started a goroutine")
	}
	if !g.also(func() { <-release }) {
		t.Error("a crew with somebody inside started no goroutine for him")
	}
	close(release)
	if !g.close(muchPatience) {
		t.Error("close did not see the goroutine end")
	}
	if g.also(func() {}) {
		t.Error("a closed crew that all have left started a goroutine")
	}
}

// hopper is an actor that does nothing, behind a mailbox of ours or the engine's.
type hopper struct{}

func (hopper) Receive(actor.Context) {}

func BenchmarkSend(b *testing.B) {
	sys := newSystem()
	defer sys.Shutdown()
	hop := func(opts ...actor.PropsOption) *actor.PID {
		return sys.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return hopper{} }, opts...))
	}
	var g group
	pids := map[string]*actor.PID{
		"inline":       hop(actor.WithMailbox(func() actor.Mailbox { return newMailbox(&g, 16) })),
		"synchronized": hop(actor.WithDispatcher(actor.NewSynchronizedDispatcher(300))),
	}
	msg := &tick{}
	for _, name := range []string{"inline", "synchronized"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sys.Root.Send(pids[name], msg)
			}
		})
	}
}

func TestSendAllocatesNothing(t *testing.T) {
	sys := newSystem()
	defer sys.Shutdown()
	var g group
	pid := sys.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return hopper{} },
		actor.WithMailbox(func() actor.Mailbox { return newMailbox(&g, 16) })))
	msg := &tick{}
	if n := testing.AllocsPerRun(1000, func() { sys.Root.Send(pid, msg) }); n != 0 {
		t.Errorf("a send allocates %v times", n)
	}
}
