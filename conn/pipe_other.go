//go:build !linux

package conn

import (
	"errors"
	"syscall"
)

// Only Linux has splice. How sendfile ends elsewhere has not been tried.
const (
	canSplice       = false
	sendfileResumes = false
)

func (p *Pipe) ready() bool { return false }

// Close does nothing here.
func (p *Pipe) Close() {}

func (p *Pipe) fill(syscall.RawConn, int) (int, error) { return 0, errors.ErrUnsupported }
func (p *Pipe) empty() int                             { return 0 }
func (p *Pipe) read([]byte) (int, error)               { return 0, errors.ErrUnsupported }
