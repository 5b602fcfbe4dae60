package uri

// Error is a URL, or a host, that can't be used. Its texts never show user info.
type Error struct {
	Reason string // why
	Fix    string // what to do instead
	Err    error  // the cause, where there is one
}

// Error gives the reason and the fix.
func (e *Error) Error() string {
	s := e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + "; " + e.Fix
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
