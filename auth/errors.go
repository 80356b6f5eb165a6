package auth

import "errors"

var (
	// ErrInvalid is matched by every error of [Verifier.Verify] for a token that
	// no waiting would make good. The error itself is an [*InvalidError].
	ErrInvalid = errors.New("invalid token")

	// ErrUnavailable is matched by the errors of [Verifier.Verify] for a token
	// that cannot be judged now: its issuer's keys are not to be had, a fetch of
	// them is pending, or the revocations are not read yet. Asking again later
	// helps.
	ErrUnavailable = errors.New("token cannot be judged now")
)

// An InvalidError says why a token was refused. It matches [ErrInvalid].
type InvalidError struct{ description string }

// Error returns the description behind a prefix.
func (e *InvalidError) Error() string { return ErrInvalid.Error() + ": " + e.description }

// Is reports whether target is [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Description returns one of a fixed set of short sentences. It repeats nothing
// of the token and has only characters that RFC 6750 section 3 allows in an
// error_description.
func (e *InvalidError) Description() string { return e.description }

var (
	errTooLong    = &InvalidError{"the token is over 8 KiB"}
	errMalformed  = &InvalidError{"the token is malformed"}
	errRepeated   = &InvalidError{"a member is repeated"}
	errHeader     = &InvalidError{"the header has a member that is not accepted"}
	errTyp        = &InvalidError{"the header has a typ that is not accepted"}
	errAlgorithm  = &InvalidError{"the algorithm is not one of the issuer's key"}
	errIssuer     = &InvalidError{"the issuer and audience are not those of one known here"}
	errUnknownKey = &InvalidError{"the signing key is not known"}
	errSignature  = &InvalidError{"bad signature"}
	errMissing    = &InvalidError{"a required claim is missing or empty"}
	errType       = &InvalidError{"a claim has the wrong type"}
	errTime       = &InvalidError{"a time is not a plain number below 2^53"}
	errExpired    = &InvalidError{"the token has expired"}
	errNotYet     = &InvalidError{"the token is not valid yet"}
	errIssued     = &InvalidError{"the token was issued in the future"}
	errRevoked    = &InvalidError{"the token was revoked"}

	errGrant         = &InvalidError{"a grant is not an object"}
	errGrantMember   = &InvalidError{"a grant has an unknown member"}
	errGrantRequired = &InvalidError{"a grant has no sources or no types"}
	errGrantList     = &InvalidError{"a member of a grant is not a list of one or more texts"}
	errGrantStar     = &InvalidError{"a grant has a * that does not stand alone or has no meaning there"}
	errGrantPath     = &InvalidError{"a path of a grant does not begin with event. or entity., or has an empty step"}
)
