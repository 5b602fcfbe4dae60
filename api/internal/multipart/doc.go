// Package multipart encodes forms as multipart/form-data (RFC 7578), as browsers do: what is in
// memory is encoded once, and what stands in files is read as it is sent, with the length known
// before wherever it can be.
//
// It opens no files, sends nothing and reads no forms: where a part's content comes from it is
// told. A Body may be used from any number of goroutines as far as the contents of its parts may;
// what Open returns is for one.
package multipart
