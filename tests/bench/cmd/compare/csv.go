package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// writeCSV writes one line for every run.
func writeCSV(name string, tables []*table) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	w.Write([]string{"cell", "callers", "conns", "round", "client", "requests", "seconds", "cpu_us_per_request",
		"requests_per_second", "allocs_per_request", "bytes_per_request", "p50_us", "p99_us", "p999_us", "origin_us_per_request"})
	for _, t := range tables {
		for round, row := range t.rounds {
			for i, r := range row {
				line := []string{t.cell.Name, strconv.Itoa(t.cell.Callers), strconv.Itoa(t.cell.Conns),
					strconv.Itoa(round + 1), t.clients[i], strconv.Itoa(r.Requests)}
				for _, v := range []float64{r.Elapsed.Seconds(), cpuPerRequest(r), requestsPerSecond(r),
					perRequest(float64(r.Allocs), r), perRequest(float64(r.Bytes), r), latency(0.5)(r),
					latency(0.99)(r), latency(0.999)(r), originPerRequest(r)} {
					line = append(line, fmt.Sprintf("%.4g", v))
				}
				w.Write(line)
			}
		}
	}
	w.Flush()
	return errors.Join(w.Error(), f.Close())
}
