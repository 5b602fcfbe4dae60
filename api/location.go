package api

import (
	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/api/internal/uri"
)

// location is a URL, and what is dialled for it. What the two have in common stands in the
// origin alone: of the many calls that may wait, each holds one.
type location struct {
	actors.Origin // its TLS and Proxy are the request's to set
	uri.Rest
}

// locationOf is where a request to u goes.
func locationOf(u uri.URL) location {
	return location{actors.Origin{Scheme: u.Scheme, Host: u.Host, Port: u.Port}, u.Rest}
}

// locate is locationOf a user's URL, or an *InputError.
func locate(raw string) (location, error) {
	u, err := uri.Parse(raw)
	if err != nil {
		return location{}, inputError("URL", err)
	}
	return locationOf(u), nil
}

func (l *location) url() uri.URL {
	return uri.URL{Scheme: l.Scheme, Host: l.Host, Port: l.Port, Rest: l.Rest}
}

// String is the URL as it may be shown.
func (l *location) String() string { return l.url().String() }
