package api

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/seed53b03582/troupe/api/internal/digest"
	"github.com/seed53b03582/troupe/conn/http1"
)

// BasicAuth sends user and password as Authorization (RFC 7617), instead of the
// URL's user info. A user with a colon, and control characters in either, are an
// *InputError. An Authorization among the caller's Headers goes before it.
func BasicAuth(user, password string) Option { return basicAuthOption{user, password} }

type basicAuthOption struct{ user, password string }

// String keeps fmt from printing the password.
func (basicAuthOption) String() string { return "BasicAuth" }

// GoString is String, for %#v.
func (o basicAuthOption) GoString() string { return o.String() }

func (o basicAuthOption) apply(r *request) {
	r.given |= optBasicAuth
	r.authorize = r.basic("BasicAuth", o.user, o.password)
}

// Bearer sends a token as Authorization (RFC 6750 §2.1), instead of the URL's
// user info. A token that is empty or holds a space or control character is an
// *InputError. An Authorization among the caller's Headers goes before it.
func Bearer(token string) Option { return bearerOption(token) }

type bearerOption string

// String keeps fmt from printing the token.
func (bearerOption) String() string { return "Bearer" }

// GoString is String, for %#v.
func (o bearerOption) GoString() string { return o.String() }

func (o bearerOption) apply(r *request) {
	r.given |= optBearer
	if !http1.ValidTarget(string(o)) { // visible ASCII, the least that all tokens keep to
		r.refuse("Bearer", "the token is empty, or has a space, control character or letter beyond ASCII", "give the token alone")
	}
	r.authorize = "Bearer " + string(o)
}

// basic encodes the credentials of RFC 7617 §2.
func (r *request) basic(field, user, password string) string {
	if strings.Contains(user, ":") {
		r.refuse(field, "the user has a colon, which Basic authentication can't carry (RFC 7617 §2)", "use another user")
	}
	if !http1.ValidFieldValue(user) || !http1.ValidFieldValue(password) {
		r.refuse(field, "user or password has a control character (RFC 7617 §2)", "take it out")
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// DigestAuth answers a server's Digest challenge (RFC 7616) with user and password: MD5
// and SHA-256, their -sess variants, qop auth. The first request to a server costs a
// round trip more; after that its nonce is known, and sent with a rising count. The
// password itself is never sent. A redirect to another origin takes it away. A server that
// gives the next nonce with each answer (Authentication-Info) is asked with that one. Where a
// 401 is not answered, Response.NotRepeated tells why.
func DigestAuth(user, password string) Option { return digestOption{Name: user, Password: password} }

type digestOption digest.User

// String keeps fmt from printing the password.
func (digestOption) String() string { return "DigestAuth" }

// GoString is String, for %#v.
func (o digestOption) GoString() string { return o.String() }

func (o digestOption) apply(r *request) {
	r.given |= optDigestAuth
	r.digest = digest.User(o)
	if reason, fix := r.digest.Check(); reason != "" {
		r.refuse("DigestAuth", reason, fix)
	}
}

// meetChallenge makes r the request that answers a 401, if it can: a challenge that is
// not met is for the caller to see, with the reason. The nonce is kept for the requests to
// come, also where this one can't be sent again.
func (r *request) meetChallenge(ctx context.Context, resp *Response) (again bool, _ error) {
	if r.hasHeader("Authorization") {
		resp.more().unmet = errOwnAuthorization
		return false, nil
	}
	again, err := r.session.digests.Challenged(r.space(), r.digest, &r.nonce, resp.Headers()["Www-Authenticate"])
	if !again {
		resp.more().unmet = err
		return false, nil
	}
	return r.repeat(ctx, resp)
}

var errOwnAuthorization = errors.New("troupe: DigestAuth: the Authorization among the call's own headers was sent instead")

// noteNextNonce takes the nonce that a server wants for the next request, where one was
// used for this one.
func (r *request) noteNextNonce(resp *Response) {
	a := resp.answer.Load()
	if !r.nonce.Answering() || resp.Status() == 401 || a == nil {
		return
	}
	if info := a.Values("Authentication-Info"); len(info) > 0 {
		values := make([]string, len(info))
		for i, v := range info {
			values[i] = string(v)
		}
		r.session.digests.Informed(r.space(), r.digest, &r.nonce, values)
	}
}

// space is the protection space of a Digest nonce: the origin.
func (r *request) space() string { return r.to.Scheme + "://" + r.to.Authority }

// authorization is what stands for credentials when the caller's headers have
// none: those of an option, or else the URL's user info.
func (r *request) authorization() string {
	if r.has(optDigestAuth) {
		if r.crossed {
			return ""
		}
		value, _ := r.session.digests.Authorization(r.space(), r.digest, &r.nonce, r.call.Method, r.to.Target)
		return value
	}
	if user, password := r.to.UserInfo(); r.authorize == "" && (user != "" || password != "") {
		return r.basic("URL", user, password)
	}
	return r.authorize
}
