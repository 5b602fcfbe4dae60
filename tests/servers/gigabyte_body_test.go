package servers

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

func TestGigabyteDownAsABody(t *testing.T) {
	origin, n := gigabyteSites(t)
	s := newSession(t, api.Config{TLS: n.certs.trust()})
	for name, url := range map[string]string{"from nginx's disk": n.URL + "/big", "from the origin in chunks": fmt.Sprintf("%s/source?n=%d&chunked=1", origin, gigabyte)} {
		t.Run(name+", Body", func(t *testing.T) {
			var got int64
			measured(t, func(ctx context.Context) {
				resp := must(t, 200)(s.Get(ctx, url, api.StreamBody()))
				var err error
				if got, err = io.Copy(io.Discard, resp.Body()); err != nil {
					t.Error(err)
				}
				if err := resp.Body().Close(); err != nil {
					t.Error(err)
				}
			})
			if got != gigabyte {
				t.Errorf("%d bytes came", got)
			}
		})
		t.Run(name+", Chunks", func(t *testing.T) {
			var got int64
			measured(t, func(ctx context.Context) {
				resp := must(t, 200)(s.Get(ctx, url, api.StreamBody()))
				for chunk, err := range resp.Chunks(64 << 10) {
					if err != nil {
						t.Fatal(err)
					}
					got += int64(len(chunk))
				}
			})
			if got != gigabyte {
				t.Errorf("%d bytes came", got)
			}
		})
	}
}
