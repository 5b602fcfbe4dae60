package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"

	"github.com/seed53b03582/troupe/conn"
)

// File is what Upload sends: exactly Size bytes of it, in bytes. Fewer are an
// *IOError that closes the connection; what lies beyond is left unread.
//
// *bytes.Reader, *strings.Reader, *io.SectionReader and *DiskFile are Files; they
// are sent from their start, whatever has been read of them, and may be sent by
// several calls at once. Of other types, one with a Seek is set to its start,
// one with a ReadAt is read through that, and the rest is read as it stands. The
// call may return before a Read that blocks does.
type File interface {
	Read(p []byte) (n int, err error)
	Size() int64
}

// DiskFile is a file on disk, opened by OpenFile. Over plain TCP the kernel sends
// it without a copy through this process. It may be used by several calls at once.
type DiskFile struct {
	f    *os.File
	size int64
	busy atomic.Bool // a call uses f's offset
}

// OpenFile opens a file for Upload or Body. Its size is taken now: what is
// appended later is not sent. What can't be opened, and what is no regular file
// (a folder, a pipe, a device), is an *IOError; fs.ErrNotExist and the like are
// found by errors.Is. The caller closes the file after an Upload; a call with Body,
// FilePart or ReaderPart closes it by itself.
func OpenFile(name string) (*DiskFile, error) {
	info, err := os.Stat(name) // before Open, which a named pipe would block
	if err == nil {
		err = regular(info, name)
	}
	if err != nil {
		return nil, fileError(err)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fileError(err)
	}
	if info, err = f.Stat(); err == nil {
		err = regular(info, name)
	}
	if err != nil {
		f.Close()
		return nil, fileError(err)
	}
	return &DiskFile{f: f, size: info.Size()}, nil
}

func regular(info fs.FileInfo, name string) error {
	switch {
	case info.IsDir():
		return &fs.PathError{Op: "open", Path: name, Err: errors.New("is a directory; name a file in it")}
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "open", Path: name, Err: errors.New("is not a regular file; send it with Body and a reader")}
	}
	return nil
}

func fileError(err error) error { return &IOError{Op: OpWrite, Sent: SentNothing, Err: err} }

// Name is the name that OpenFile was given.
func (d *DiskFile) Name() string { return d.f.Name() }

// Size is the size in bytes when the file was opened.
func (d *DiskFile) Size() int64 { return d.size }

// Read reads from the file's offset. Not to be used while a call sends the file.
func (d *DiskFile) Read(p []byte) (int, error) { return d.f.Read(p) }

// ReadAt reads from offset off and leaves the file's own offset alone.
func (d *DiskFile) ReadAt(p []byte, off int64) (int, error) { return d.f.ReadAt(p, off) }

// Seek sets the file's offset. Not to be used while a call sends the file.
func (d *DiskFile) Seek(offset int64, whence int) (int64, error) { return d.f.Seek(offset, whence) }

// Close closes the file. Calls that still send it fail. Closing twice does nothing
// more, so it may also be closed behind a call that has done so.
func (d *DiskFile) Close() error {
	if err := d.f.Close(); !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

// MIMEType is the Content-Type of an Upload; without it, or when it is empty,
// application/octet-stream.
func MIMEType(value string) Option { return mimeTypeOption(value) }

type mimeTypeOption string

func (o mimeTypeOption) apply(r *request) {
	r.given |= optMIMEType
	if o != "" {
		r.mimeType = string(o)
	}
}

// Method is the method of an Upload: POST, which is the default, or PUT, in any
// case of letters.
func Method(name string) Option { return methodOption(name) }

type methodOption string

func (o methodOption) apply(r *request) {
	r.given |= optMethod
	switch {
	case o == "":
	case strings.EqualFold(string(o), "POST"), strings.EqualFold(string(o), "PUT"):
		r.call.Method = strings.ToUpper(string(o))
	default:
		r.refuse("Method", fmt.Sprintf("an upload can't be a %.40q", conn.MaskURL(string(o))), "use POST or PUT")
	}
}

// upload is the option that Upload adds by itself, before the caller's.
type upload struct{ file File }

func (o upload) apply(r *request) {
	r.given |= optUpload
	r.uploaded, r.mimeType = o.file, "application/octet-stream"
	if o.file == nil || o.file == (*DiskFile)(nil) {
		r.refuse("File", "is nil", "give one, as from OpenFile")
	}
}

// loadFile makes f the payload, from its start where it can be set there.
func (r *request) loadFile(field string, f File) error {
	size := f.Size()
	if size < 0 {
		return &InputError{Field: field, Reason: fmt.Sprintf("its Size is %d", size), Fix: "give one whose size is known, or use Body with a plain reader"}
	}
	switch f := f.(type) {
	case *DiskFile:
		return r.loadDisk(f)
	case *bytes.Reader:
		return r.loadMemory(f, 0, int(size))
	case *strings.Reader:
		return r.loadMemory(f, 0, int(size))
	}
	body, err := fromStart(f, size)
	if err != nil {
		return fileError(err)
	}
	var reopen func() (io.Reader, error)
	if restarts(f) {
		reopen = func() (io.Reader, error) { return fromStart(f, size) }
	}
	r.setReader(body, size, reopen)
	return nil
}

// fromStart reads f from its start where it can be set there. It may give more
// than size bytes, or fewer.
func fromStart(f File, size int64) (io.Reader, error) {
	switch f := f.(type) {
	case *DiskFile:
		return io.NewSectionReader(f.f, 0, size), nil
	case *bytes.Reader:
		return io.NewSectionReader(f, 0, size), nil
	case *strings.Reader:
		return io.NewSectionReader(f, 0, size), nil
	case *io.SectionReader:
		return io.NewSectionReader(f, 0, size), nil
	// Seek before ReadAt: a type that embeds a file to count or limit what is
	// read overrides Read, and ReadAt would go past it.
	case io.Seeker:
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("going to the start of the file: %w", err)
		}
	case io.ReaderAt:
		return io.NewSectionReader(f, 0, size), nil
	}
	return f, nil
}

// restarts tells whether fromStart can be asked again.
func restarts(f File) bool {
	switch f.(type) {
	case io.Seeker, io.ReaderAt:
		return true
	}
	return false
}

// loadDisk lets the kernel send the file. That moves the file's offset, so only
// one call at a time can have it so; others read it by position.
func (r *request) loadDisk(d *DiskFile) error {
	r.setSection(d.f, 0, d.size)
	if d.size == 0 || !d.busy.CompareAndSwap(false, true) {
		return nil
	}
	r.claimed = d
	if _, err := d.f.Seek(0, io.SeekStart); err != nil {
		return fileError(err)
	}
	r.Reader, r.reopen, r.File = nil, nil, d.f
	return nil
}

// unclaim gives a claimed file back.
func (p *payload) unclaim() {
	if p.claimed != nil {
		p.claimed.busy.Store(false)
		p.claimed = nil
	}
}
