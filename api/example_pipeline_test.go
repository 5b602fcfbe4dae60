package api_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed53b03582/troupe/api"
)

func ExamplePipeline() {
	server := startServer()
	defer server.Close()
	session := newSession(api.Config{
		MaxConnsPerOrigin: 1,
		Pipeline:          api.Pipeline{Depth: 32, Origins: []string{server.URL}},
	})
	defer session.Close()

	var all sync.WaitGroup
	answers := make([]string, 100)
	for i := range answers {
		all.Go(func() {
			resp, err := session.Get(context.Background(), fmt.Sprintf("%s/%d", server.URL, i))
			if err != nil {
				fmt.Println(err)
				return
			}
			answers[i] = resp.Text()
			resp.Release()
		})
	}
	all.Wait()
	fmt.Println(answers[0], "to", answers[99], "over", session.Snapshot().Origins[0].Dials, "connection")
	// Output: GET /0 to GET /99 over 1 connection
}
