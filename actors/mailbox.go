package actors

import (
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/conn"
)

// mailbox runs its actor on the goroutine of whoever sends to it. Handing a
// message to another goroutine next to the netpoller costs more than everything
// else a request does in here (see docs/decisions/0001-inline-mailbox.md).
//
//	state    event               next     effect
//	idle     post                running  the sender runs the handler, then what came meanwhile
//	running  post                running  queued
//	running  queue empty         idle     the report is sent
//	running  budget used up      running  the rest goes to a goroutine of the group
//	running  handler panicked    running  the message is rejected, the failure escalated
//	any      actor stopped       closed   what is queued, and all that comes, is rejected
//
// System messages go first; between Suspend and Resume nothing else does.
type mailbox struct {
	status    atomic.Uint32
	waiting   atomic.Int64 // messages queued, of both kinds
	suspended bool         // owned by whoever runs
	budget    int          // messages of others that a sender runs before it hands over
	group     *group
	invoker   actor.MessageInvoker

	// The actor itself, once it has started: see attach.
	actor handler
	self  actor.Context

	reporter reporter // may be nil
	drainFn  func()   // drain, as a value made once

	closed atomic.Bool // set under mu; read anywhere

	mu     sync.Mutex
	user   ring
	system ring
}

// handler is an actor that takes its own messages straight from its mailbox. handle
// reports false for those that are not its own.
type handler interface {
	handle(ctx actor.Context, message any) bool
}

// attach lets messages of the actor's own pass the engine's invocation by, which costs
// as much as handling them and wants four cache lines of stack more for each call that
// waits. What the engine sends, and what the actor does not know, still goes that way,
// and so does all where the engine counts messages.
func (m *mailbox) attach(ctx actor.Context, h handler) {
	if !ctx.ActorSystem().Config.MetricsEnabled {
		m.self, m.actor = ctx, h
	}
}

// reporter is an actor that wants more of its mailbox than messages. Thousands of
// idle connections each hold one: an interface takes less than three functions.
type reporter interface {
	// takeReport is asked for one last message of the actor before its mailbox turns
	// idle; nil: none. deliver sends it afterwards, when the next message to this
	// actor can already run.
	takeReport() any
	deliver(message any)
	failed(err error) // told of every panic
}

const (
	mailboxIdle uint32 = iota
	mailboxRunning
)

// rejectable is a message whose sender waits for an answer, or that carries
// something to be closed. reject is called instead of delivery, once.
type rejectable interface{ reject(reason error) }

func newMailbox(g *group, budget int) *mailbox {
	return &mailbox{group: g, budget: budget}
}

// PostUserMessage delivers message: here and now if the actor is idle.
func (m *mailbox) PostUserMessage(message any) {
	if m.status.CompareAndSwap(mailboxIdle, mailboxRunning) {
		// Nothing queued means nothing of this sender's either: order holds.
		if m.waiting.Load() == 0 && !m.suspended && !m.closed.Load() {
			m.invoke(message, false)
			m.drain(true)
			return
		}
		m.push(&m.user, message)
		m.drain(true)
		return
	}
	m.push(&m.user, message)
	if m.status.CompareAndSwap(mailboxIdle, mailboxRunning) {
		m.drain(true)
	}
}

// PostSystemMessage delivers one of the engine's own messages, as PostUserMessage
// does, but also while suspended or closed.
func (m *mailbox) PostSystemMessage(message any) {
	if m.status.CompareAndSwap(mailboxIdle, mailboxRunning) {
		if m.waiting.Load() == 0 {
			m.invoke(message, true)
		} else {
			m.push(&m.system, message)
		}
		m.drain(true)
		return
	}
	m.push(&m.system, message)
	if m.status.CompareAndSwap(mailboxIdle, mailboxRunning) {
		m.drain(true)
	}
}

// RegisterHandlers is the engine's hand-over of the actor.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	m.invoker = invoker
}

// Start is the engine's word that messages may run.
func (m *mailbox) Start() {}

// UserMessageCount tells how many messages wait.
func (m *mailbox) UserMessageCount() int { return int(m.waiting.Load()) }

// drain runs what is queued until nothing is, then turns idle. The caller has
// made the mailbox running. A sender drains only so many before it hands over.
func (m *mailbox) drain(sender bool) {
	left := m.budget
	for {
		for m.waiting.Load() > 0 {
			message, system, ok := m.pop()
			if !ok {
				break // suspended: what waits must go on waiting
			}
			// What must run next is the engine's or the sender's own only by
			// chance: nobody works long for others.
			if sender && !system && left <= 0 {
				m.unpop(message)
				m.handOver()
				return
			}
			left--
			m.invoke(message, system)
		}
		if m.release() {
			return
		}
	}
}

// release turns the mailbox idle and sends the report. It reports false when
// messages came in between and the caller has to go on.
func (m *mailbox) release() bool {
	var parting any
	if m.reporter != nil {
		parting = m.reporter.takeReport()
	}
	stuck := m.suspended
	m.status.Store(mailboxIdle)
	if parting != nil {
		m.reporter.deliver(parting)
	}
	if m.waiting.Load() == 0 || (stuck && !m.hasSystem()) {
		return true
	}
	return !m.status.CompareAndSwap(mailboxIdle, mailboxRunning)
}

// handOver lets a goroutine of the group go on. Once the group is closed there is
// none: then the sender has to.
func (m *mailbox) handOver() {
	if m.drainFn == nil {
		m.drainFn = func() { m.drain(false) }
	}
	if !m.group.run(m.drainFn) {
		m.drain(false)
	}
}

// invoke runs one message. Whatever the handler does, panic or runtime.Goexit,
// the mailbox stays sound: the message is rejected and the parent told.
func (m *mailbox) invoke(message any, system bool) {
	returned := false
	defer func() {
		if returned {
			return
		}
		reason := recover()
		exited := reason == nil
		if exited {
			reason = "the handler's goroutine exited"
		}
		err := conn.NewPanicError(reason)
		if r, ok := message.(rejectable); ok {
			r.reject(err)
		}
		if m.reporter != nil {
			m.reporter.failed(err)
		}
		m.invoker.EscalateFailure(err, message)
		if exited {
			m.handOver() // this goroutine is about to end
		}
	}()
	switch {
	case system:
		m.invokeSystem(message)
	case m.actor == nil || !m.actor.handle(m.self, message):
		m.invoker.InvokeUserMessage(message)
	}
	returned = true
}

func (m *mailbox) invokeSystem(message any) {
	switch message.(type) {
	case *actor.SuspendMailbox:
		m.suspended = true
	case *actor.ResumeMailbox:
		m.suspended = false
	default:
		m.invoker.InvokeSystemMessage(message)
	}
}

// close is called by the actor once it has stopped: nothing is delivered any
// more. A message behind a Stop would otherwise vanish without a word.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed.Store(true)
	var left []any
	for {
		message, ok := m.user.pop()
		if !ok {
			break
		}
		left = append(left, message)
	}
	m.waiting.Add(int64(-len(left)))
	m.mu.Unlock()
	for _, message := range left {
		reject(message)
	}
}

func (m *mailbox) push(r *ring, message any) {
	m.mu.Lock()
	if m.closed.Load() && r == &m.user {
		m.mu.Unlock()
		reject(message)
		return
	}
	r.push(message)
	m.waiting.Add(1)
	m.mu.Unlock()
}

func (m *mailbox) pop() (message any, system, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if message, ok = m.system.pop(); ok {
		m.waiting.Add(-1)
		return message, true, true
	}
	if m.suspended {
		return nil, false, false
	}
	if message, ok = m.user.pop(); ok {
		m.waiting.Add(-1)
	}
	return message, false, ok
}

func (m *mailbox) unpop(message any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.user.unpop(message)
	m.waiting.Add(1)
}

func (m *mailbox) hasSystem() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.system.n > 0
}

func reject(message any) {
	if r, ok := message.(rejectable); ok {
		r.reject(errActorGone)
	}
}
