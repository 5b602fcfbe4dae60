package actors

// connState is what a connection actor is doing.
//
//	state        event      next                     effect
//	dialing      dialed     open | closed            reported up, or ended with the dial's error
//	open         roundTrip  open | reading | closed  request written; answer read, or its head alone
//	open         send       writing | closed         head and first piece written
//	open         look       open | closed            socket looked at
//	writing      feed       writing | closed         next piece written
//	writing      receive    open | reading | closed  answer read, or its head alone
//	writing      abandon    closed                   the server is owed the rest: no reuse
//	open         flush      shared | closed          all that are queued written; see pipeline.go
//	shared       flush      shared                   the same, beside the reading
//	shared       atRest     open | shared            all are answered; or some came since
//	shared       broken     closed                   those unanswered told so
//	reading      read       reading | open | closed  next piece of the body read
//	reading      readAll    open | closed            the rest of the body read
//	reading      abandon    open | closed            a small rest drained, else closed
//	any          stop       closed                   socket closed
//	closed       gone       closed                   the actor stops
//
// An event without a row is refused: its sender learns that the connection is
// not there for it.
type connState uint8

const (
	connDialing connState = iota
	connOpen
	connWriting
	connReading
	connShared
	connClosed
	connStates
)

type connEvent uint8

const (
	evDialed connEvent = iota
	evRoundTrip
	evSend
	evFeed
	evReceive
	evRead
	evReadAll
	evAbandon
	evLook
	evFlush
	evAtRest
	evBroken
	evStop
	evGone
	connEvents
)

// accepts holds the rows of the table above.
var accepts = [connStates][connEvents]bool{
	connDialing: {evDialed: true, evStop: true},
	connOpen:    {evRoundTrip: true, evSend: true, evLook: true, evFlush: true, evStop: true},
	connWriting: {evFeed: true, evReceive: true, evAbandon: true, evStop: true},
	connReading: {evRead: true, evReadAll: true, evAbandon: true, evStop: true},
	connShared:  {evFlush: true, evAtRest: true, evBroken: true, evStop: true},
	connClosed:  {evGone: true},
}

// activity is what a connection publishes of itself.
type activity uint32

const activityBits = 3 // leaves room for 73 years in nanoseconds

const (
	actDialing activity = iota
	actHandshaking
	actIdle
	actWriting
	actReading
	actClosed
)

func (a activity) String() string {
	return [...]string{"dialing", "handshaking", "idle", "writing", "reading", "closed"}[a]
}
