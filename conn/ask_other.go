//go:build !unix

package conn

// ask is the short way through the kernel of other systems.
type ask struct{}

// CanAsk tells that Ask works on none of this system's connections.
func (c *Conn) CanAsk() bool { return false }

// Ask is not for this system.
func (c *Conn) Ask([]byte) (Sent, error) { return SentNothing, ErrStale }
