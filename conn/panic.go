package conn

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic in code that a caller or a driver brought along, caught
// where it would have hit others.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // where, as debug.Stack tells it
}

// NewPanicError keeps a value that recover gave. It is to be called by the deferred
// function, so that the stack still shows where the panic was.
func NewPanicError(value any) *PanicError {
	return &PanicError{Value: value, Stack: debug.Stack()}
}

// Error gives the panic's value.
func (e *PanicError) Error() string { return fmt.Sprintf("troupe: panic: %v", e.Value) }

// Unwrap returns the panic's value where it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
