package bench

import (
	"errors"
	"io"
	"net/http"
)

// std is net/http's Transport without the Client around it, whose redirects and
// cookies nothing here needs. It does not ask for gzip, as the others don't.
type std struct {
	transport *http.Transport
	url       string
}

func newNetHTTP(addr string, cell Cell) (Client, error) {
	return &std{
		transport: &http.Transport{
			MaxConnsPerHost:     cell.Conns,
			MaxIdleConnsPerHost: cell.Conns,
			IdleConnTimeout:     idleFor,
			DisableCompression:  true,
		},
		url: "http://" + addr + path,
	}, nil
}

func (s *std) Caller() (Caller, error) { return s, nil }

func (s *std) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

func (s *std) Get(r *Reply) error {
	req, err := http.NewRequest(http.MethodGet, s.url, nil)
	if err != nil {
		return err
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	r.Status = resp.StatusCode
	r.Body, err = readInto(r.Body[:0], resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// readInto is io.ReadAll into memory that is there already.
func readInto(dst []byte, src io.Reader) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := src.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}
