// Package uri takes the URLs of calls apart, makes them valid where that can be, and resolves the
// references of redirects (RFC 3986): hosts by IDNA, dot segments, escapes, queries and forms.
//
// It dials nothing and knows no call. What can't be used is an *Error. Its functions may be used
// from any number of goroutines; a URL is a value, and who changes it owns it.
package uri
