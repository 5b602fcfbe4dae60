package conn

import "testing"

func TestSecretName(t *testing.T) {
	for _, name := range []string{
		"token", "tokens", "access_token", "accessToken", "AccessToken", "ACCESS_TOKEN", "accesstoken", "token2", "id-token", "csrfmiddlewaretoken",
		"secret", "client_secret", "clientSecret", "password", "Password1", "userpassword", "passwd", "passphrase", "passcode", "pass", "dbpass", "pwd", "userPWD", "dbpwd", "pw",
		"key", "keys", "api_key", "apiKey", "APIKey", "apikey", "APIKEY", "X-Api-Key", "x.api.key", "private_key", "secretkey", "AWSAccessKeyId", "user[key]", "key[]",
		"sig", "signature", "apiSig", "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Credential", "hmac", "sign",
		"code", "auth_code", "authCode", "verificationCode", "code_verifier", "smscode", "otp", "otpCode", "totp", "pin", "cvv", "mfa_codes",
		"auth", "oauth", "oauth2", "auth_user", "basicAuth", "userauth", "authorization", "Bearer", "credentials", "creds",
		"session", "session_id", "sessionId", "sessionid", "JSESSIONID", "PHPSESSID", "connect.sid", "jwt", "JWTs", "idJWT", "csrf", "_xsrf",
		"cookie", "Cookies", "SAMLResponse", "client_assertion",
	} {
		if !SecretName(name) {
			t.Errorf("%s is no secret", name)
		}
	}
	for _, name := range []string{
		"", "a", "1", "name", "user", "monkey", "Monkeys", "donkey", "keyboard", "keyword", "hotkey", "encoded", "encode", "decoder", "codec", "unicode", "zipcode", "barcode",
		"status_code", "statusCode", "errorCode", "country_code", "languageCode", "author", "authors", "authority", "authored_by",
		"design", "signal", "assign", "signed_headers", "X-Amz-SignedHeaders", "X-Amz-Algorithm", "compass", "bypass", "passenger", "passive", "pinned", "spin", "ping", "optical",
		"tokenizer", "secretary", "max_tokens", "total_tokens", "token_type", "expires_in", "token_expires_in", "password_length", "public_key", "primaryKey", "sortKey",
		"session_length", "obsession", "residence", "figure", "consider", "sigma", "page", "q", "id", "state", "scope", "nonce", "authenticate",
	} {
		if SecretName(name) {
			t.Errorf("%s is a secret", name)
		}
	}
}

func TestSecretField(t *testing.T) {
	for name, want := range map[string]bool{
		"Authorization": true, "PROXY-AUTHORIZATION": true, "COOKIE": true, "Set-Cookie": true, "set-cookie2": true, "X-Api-Key": true, "apikey": true,
		"Private-Token": true, "X-Vault-Token": true, "Ocp-Apim-Subscription-Key": true, "X-Auth-Key": true, "X-Csrf-Token": true, "X-Auth": true,
		"X-Forwarded-Authorization": true, "X-Public-Key": true, "Idempotency-Key": true, "Sec-WebSocket-Key": true, "X-SECRET": true, "My-Secret": true,
		"Authentication-Info": true, "Proxy-Authentication-Info": true, "X-Hub-Signature-256": true, "X-Goog-Iap-Jwt-Assertion": true,
		"Host": false, "WWW-Authenticate": false, "Proxy-Authenticate": false, "Content-Type": false, "ETag": false, "": false,
		"Content-Encoding": false, "Access-Control-Allow-Credentials": false, "X-Monkey": false, "Keep-Alive": false, "Author": false,
	} {
		if got := SecretField(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
