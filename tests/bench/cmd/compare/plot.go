package main

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// axes is what a plot is about.
type axes struct {
	title, x, y string
	logX, logY  bool
	names       []string // of the points along x, at 0, 1, 2...; nil: x is a number
}

// line is one series, ordered by x.
type line struct {
	name   string // a client's, or anything else: it chooses the colour
	points plotter.XYs
}

// linePlot draws lines into docs/benchmarks/name.svg and returns the Markdown that shows
// it. Without -docs it does nothing and returns "".
func linePlot(s *settings, name string, a axes, lines []line) (image string, err error) {
	file := s.file(name + ".svg")
	if file == "" {
		return "", nil
	}
	if err := drawLines(file, a, lines); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return fmt.Sprintf("![%s](benchmarks/%s.svg)\n", a.title, name), nil
}

// drawLines writes a plot; the file's name says in which format.
func drawLines(file string, a axes, lines []line) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = a.title, a.x, a.y
	p.Title.Padding, p.Legend.Padding = vg.Points(8), vg.Points(2)
	p.Legend.Top, p.Legend.Left = true, true
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xcc}, color.Gray{0xe6}
	p.Add(grid)
	if a.logX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, decades{}
	}
	if a.logY {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
	}
	if a.names != nil {
		p.NominalX(a.names...)
	}
	for i, l := range lines {
		if err := addLine(p, l, i); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	if !a.logY {
		p.Y.Min = min(p.Y.Min, 0) // a difference looks as large as it is
	}
	return save(p, file)
}

// save leaves a margin, so that the last names along the axes are whole.
func save(p *plot.Plot, file string) error {
	canvas, err := draw.NewFormattedCanvas(18*vg.Centimeter, 11*vg.Centimeter, strings.TrimPrefix(filepath.Ext(file), "."))
	if err != nil {
		return err
	}
	area := draw.New(canvas)
	area.SetColor(color.White)
	area.Fill(area.Rectangle.Path())
	margin := vg.Points(10)
	p.Draw(draw.Crop(area, margin, -2*margin, margin, -margin))
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = canvas.WriteTo(f)
	return errors.Join(err, f.Close())
}

func addLine(p *plot.Plot, l line, i int) error {
	curve, points, err := plotter.NewLinePoints(l.points)
	if err != nil {
		return err
	}
	curve.Color, curve.Width = colour(l.name, i), vg.Points(1.5)
	points.Color, points.Shape, points.Radius = curve.Color, draw.CircleGlyph{}, vg.Points(2.5)
	p.Add(curve, points)
	p.Legend.Add(l.name, curve, points)
	return nil
}

// palette is Okabe and Ito's, which colour-blind people can tell apart.
var palette = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, // blue
	{0xe6, 0x9f, 0x00, 0xff}, // orange
	{0x00, 0x9e, 0x73, 0xff}, // green
	{0xcc, 0x79, 0xa7, 0xff}, // purple
	{0xd5, 0x5e, 0x00, 0xff}, // red
	{0x56, 0xb4, 0xe9, 0xff}, // light blue
}

// colour is the same for a client in every plot, and for others by their order.
func colour(name string, i int) color.Color {
	switch name {
	case "bare":
		return color.Gray{0x77}
	case "troupe":
		i = 0
	case "fasthttp":
		i = 1
	case "nethttp":
		i = 2
	case "resty":
		i = 3
	case "fasthttp-pipeline":
		i = 4
	}
	return palette[i%len(palette)]
}

// decades marks the powers of ten, and 2 and 5 of each where there are few.
type decades struct{}

func (decades) Ticks(lowest, highest float64) []plot.Tick {
	var ticks []plot.Tick
	narrow := highest < 1000*lowest
	for power := int(math.Floor(math.Log10(lowest))); math.Pow10(power) <= highest; power++ {
		for _, step := range []float64{1, 2, 5} {
			v := step * math.Pow10(power)
			if v < lowest || v > highest {
				continue
			}
			t := plot.Tick{Value: v}
			if step == 1 || narrow {
				t.Label = strconv.FormatFloat(v, 'g', 6, 64)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// appendPoint puts one more point at the end of the named line, which is made if there
// is none.
func appendPoint(lines []line, name string, x, y float64) []line {
	for i := range lines {
		if lines[i].name == name {
			lines[i].points = append(lines[i].points, plotter.XY{X: x, Y: y})
			return lines
		}
	}
	return append(lines, line{name: name, points: plotter.XYs{{X: x, Y: y}}})
}
