//! Password hashes of other systems: which are taken, and what they may cost. Each is parsed anew
//! before it is worked with, so that no stored one is beyond the bounds either.

use std::num::NonZeroU32;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::FieldError;
use scrypt::Scrypt;

/// No hash of these kinds is longer.
const BYTES_MAX: usize = 512;
/// Memory of one verification; as many run at once as there are cores.
const KIBIBYTES_MAX: u64 = 128 << 10;
/// Memory times passes: about a second of a core.
const KIBIBYTE_PASSES_MAX: u64 = 1 << 20;
const LANES_MAX: u32 = 16;
/// 2^14 rounds are about a second of a core.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;
/// Of all blocks of the output together: about a second of a core.
const PBKDF2_ROUNDS: std::ops::RangeInclusive<u64> = 1_000..=2_000_000;
/// Fewer are found by trying.
const OUTPUT_BYTES_MIN: usize = 16;
const OUTPUT_BYTES_MAX: usize = 64;

/// A hash whose form and cost are fine.
pub(super) enum Scheme<'a> {
    Argon2(Phc),
    Scrypt(Phc),
    Bcrypt(&'a str),
    Pbkdf2(Pbkdf2),
}

pub(super) struct Pbkdf2 {
    algorithm: pbkdf2::Algorithm,
    rounds: NonZeroU32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

fn wrong(code: &'static str, message: impl Into<String>) -> FieldError {
    FieldError::new("password_hash", code, message)
}

fn malformed(kind: &str) -> FieldError {
    wrong("invalid", format!("This is not a whole hash of {kind}."))
}

fn costly(most: &str) -> FieldError {
    wrong(
        "too_costly",
        format!("Checking this hash would take too much of the machine: {most} at most."),
    )
}

impl<'a> Scheme<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, FieldError> {
        if text.len() > BYTES_MAX || !text.is_ascii() {
            let message = "No hash of a kind that is taken is as long or has such characters.";
            return Err(wrong("invalid", message));
        }
        let mut parts = text.split('$');
        match (parts.next(), parts.next()) {
            (Some(""), Some("argon2id" | "argon2i")) => argon2(text),
            (Some(""), Some("scrypt")) => scrypt(text),
            (Some(""), Some("2a" | "2b" | "2y")) => bcrypt(text),
            (Some(""), Some(name)) if hmac("pbkdf2-", name).is_some() => {
                Pbkdf2::phc(text).map(Self::Pbkdf2)
            }
            (Some(name), Some(_)) if hmac("pbkdf2_", name).is_some() => {
                Pbkdf2::django(text).map(Self::Pbkdf2)
            }
            _ => Err(wrong(
                "unknown_kind",
                "Take a hash of argon2id, argon2i, scrypt or PBKDF2 in PHC form, of bcrypt \
                 ($2a$, $2b$, $2y$), or PBKDF2 as Django writes it.",
            )),
        }
    }

    pub(super) fn opens(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2(phc) => Argon2::default().verify_password(password, phc).is_ok(),
            Self::Scrypt(phc) => Scrypt::new().verify_password(password, phc).is_ok(),
            // Looks at the first 72 bytes, as bcrypt does everywhere.
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Self::Pbkdf2(it) => {
                pbkdf2::verify(it.algorithm, it.rounds, &it.salt, password, &it.output).is_ok()
            }
        }
    }
}

/// A number of the parameters, which may hold these only.
fn parameters<const N: usize>(phc: &Phc, names: [&str; N]) -> Option<[u32; N]> {
    let is_known = phc
        .params
        .iter()
        .all(|(name, _)| names.contains(&name.as_str()));
    let mut found = [0; N];
    for (place, name) in names.into_iter().enumerate() {
        found[place] = phc.params.get_decimal(name)?;
    }
    is_known.then_some(found)
}

fn has_salt_and_output(phc: &Phc) -> bool {
    let output = phc.hash.map_or(0, |hash| hash.len());
    phc.salt.is_some() && output >= OUTPUT_BYTES_MIN
}

fn argon2(text: &str) -> Result<Scheme<'_>, FieldError> {
    let malformed = || malformed("argon2");
    let phc = Phc::new(text).map_err(|_| malformed())?;
    let [memory, passes, lanes] = parameters(&phc, ["m", "t", "p"]).ok_or_else(malformed)?;
    // Without a version it would be the old one to some and the new one to others.
    let is_known = matches!(phc.version, Some(16 | 19)) && Params::try_from(&phc).is_ok();
    if !is_known || !has_salt_and_output(&phc) {
        return Err(malformed());
    }
    let memory = u64::from(memory);
    let work = memory.saturating_mul(passes.into());
    if memory > KIBIBYTES_MAX || work > KIBIBYTE_PASSES_MAX || lanes > LANES_MAX {
        return Err(costly("m=131072, m·t=1048576 and p=16"));
    }
    Ok(Scheme::Argon2(phc))
}

fn scrypt(text: &str) -> Result<Scheme<'_>, FieldError> {
    let malformed = || malformed("scrypt");
    let phc = Phc::new(text).map_err(|_| malformed())?;
    let [log_n, r, p] = parameters(&phc, ["ln", "r", "p"]).ok_or_else(malformed)?;
    if phc.version.is_some() || !has_salt_and_output(&phc) || r == 0 || p == 0 {
        return Err(malformed());
    }
    // 128 · r · 2^ln bytes.
    let memory = u64::from(r).saturating_mul(1 << log_n.min(40)) / 8;
    let work = memory.saturating_mul(p.into());
    if memory > KIBIBYTES_MAX || work > KIBIBYTE_PASSES_MAX / 2 {
        return Err(costly("128·r·2^ln of 128 MiB, and four times that with p"));
    }
    // Multiplies what was bounded above.
    scrypt::Params::try_from(&phc).map_err(|_| malformed())?;
    Ok(Scheme::Scrypt(phc))
}

fn bcrypt(text: &str) -> Result<Scheme<'_>, FieldError> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| malformed("bcrypt"))?;
    if !BCRYPT_COSTS.contains(&parts.get_cost()) {
        return Err(costly("a cost of 14"));
    }
    Ok(Scheme::Bcrypt(text))
}

/// The function of `pbkdf2-sha256` and the like, with how many bytes a block of it is.
fn hmac(prefix: &str, name: &str) -> Option<(pbkdf2::Algorithm, usize)> {
    match name.strip_prefix(prefix)? {
        "sha1" => Some((PBKDF2_HMAC_SHA1, 20)),
        "sha256" => Some((PBKDF2_HMAC_SHA256, 32)),
        "sha512" => Some((PBKDF2_HMAC_SHA512, 64)),
        _ => None,
    }
}

impl Pbkdf2 {
    fn new(
        (algorithm, block): (pbkdf2::Algorithm, usize),
        rounds: u32,
        salt: Vec<u8>,
        output: Vec<u8>,
    ) -> Result<Self, FieldError> {
        let length = output.len();
        let malformed = || malformed("PBKDF2");
        if !(OUTPUT_BYTES_MIN..=OUTPUT_BYTES_MAX).contains(&length) || salt.is_empty() {
            return Err(malformed());
        }
        let work = u64::from(rounds) * length.div_ceil(block) as u64;
        if work > *PBKDF2_ROUNDS.end() {
            return Err(costly("2000000 rounds of all blocks"));
        }
        let rounds = NonZeroU32::new(rounds)
            .filter(|rounds| u64::from(rounds.get()) >= *PBKDF2_ROUNDS.start())
            .ok_or_else(|| wrong("too_weak", "Take a hash of 1000 rounds at least."))?;
        Ok(Self {
            algorithm,
            rounds,
            salt,
            output,
        })
    }

    /// `$pbkdf2-sha256$i=600000,l=32$salt$hash`
    fn phc(text: &str) -> Result<Self, FieldError> {
        let malformed = || malformed("PBKDF2");
        let phc = Phc::new(text).map_err(|_| malformed())?;
        let hmac = hmac("pbkdf2-", phc.algorithm.as_str()).ok_or_else(malformed)?;
        let rounds = phc.params.get_decimal("i").ok_or_else(malformed)?;
        let (Some(salt), Some(output)) = (phc.salt, phc.hash) else {
            return Err(malformed());
        };
        let is_length = |(name, _): (_, _)| {
            let name: argon2::password_hash::phc::Ident = name;
            matches!(name.as_str(), "i" | "l")
        };
        let length = phc.params.get_decimal("l");
        let is_whole = length.is_none_or(|length| length as usize == output.len());
        if phc.version.is_some() || !is_whole || !phc.params.iter().all(is_length) {
            return Err(malformed());
        }
        Self::new(hmac, rounds, salt.to_vec(), output.as_bytes().to_vec())
    }

    /// `pbkdf2_sha256$600000$salt$hash`: the salt is text, the hash is padded base64.
    fn django(text: &str) -> Result<Self, FieldError> {
        let malformed = || malformed("PBKDF2");
        let parts: Vec<&str> = text.split('$').collect();
        let [name, rounds, salt, output] = parts[..] else {
            return Err(malformed());
        };
        let hmac = hmac("pbkdf2_", name).ok_or_else(malformed)?;
        let rounds = rounds.parse().map_err(|_| malformed())?;
        let output = STANDARD.decode(output).map_err(|_| malformed())?;
        Self::new(hmac, rounds, salt.as_bytes().to_vec(), output)
    }
}

/// Ours: what is stored for whoever sets a password here.
pub(super) fn is_ours(text: &str) -> bool {
    let Ok(phc) = Phc::new(text) else {
        return false;
    };
    phc.algorithm.as_str() == Algorithm::Argon2id.as_str()
        && phc.version == Some(Version::V0x13.into())
        && Params::try_from(&phc).is_ok_and(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost())
                == (
                    Params::DEFAULT_M_COST,
                    Params::DEFAULT_T_COST,
                    Params::DEFAULT_P_COST,
                )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PBKDF2_SHA1: (&str, &str) = (
        "correct horse battery",
        "$pbkdf2-sha1$i=27500$c2l4dGVlbiBieXRlcyBvaw$r2EtF7IUypjHrqkz/+zlRIGqwsA",
    );
    const PBKDF2_SHA512: (&str, &str) = (
        "correct horse battery",
        "$pbkdf2-sha512$i=21000$c2l4dGVlbiBieXRlcyBvaw$SgxAeWSOMTDe4K0jonoGDn5knRoT3xnUqgXyfSDcVzno18Ayng5/04uXEQNKCbrjOAo12yeyiL/YpFZc0Tqoag",
    );
    const DJANGO: (&str, &str) = (
        "correct horse battery",
        "pbkdf2_sha256$30000$vKlMfRwSGqzO0yUq$6LMpdc0cksfgIZK5n01CLKQHHorynjLx/Ku8r6bf0Bw=",
    );

    #[track_caller]
    fn opens(password: &str, text: &str) {
        let scheme = Scheme::parse(text).map_err(|error| error.message);
        let scheme = scheme.unwrap_or_else(|message| panic!("{text}: {message}"));
        assert!(scheme.opens(password.as_bytes()), "{text}");
        assert!(!scheme.opens(b"another password"), "{text}");
    }

    /// Made by other implementations: the reference argon2, libxcrypt, Python's passlib and hashlib.
    #[test]
    fn hashes_of_other_systems_open_to_their_password() {
        for (password, text) in [
            (
                "password",
                "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
            ),
            (
                "password",
                "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
            ),
            (
                "password",
                "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            ),
            (
                "rasmuslerdorf",
                "$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq",
            ),
            (
                "U*U",
                "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            ),
            (
                "passwordPASSWORDpassword",
                "$pbkdf2-sha256$i=4096,l=40$c2FsdFNBTFRzYWx0U0FMVHNhbHRTQUxUc2FsdFNBTFRzYWx0$NIyJ28vTKy8y2BS4EW6EzysXNH68GAAYHE4qH7jdU+HGNVGMfaxH6Q",
            ),
            (
                "correct horse battery",
                "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS",
            ),
            PBKDF2_SHA1,
            PBKDF2_SHA512,
            DJANGO,
        ] {
            opens(password, text);
        }
    }

    #[track_caller]
    fn refused(text: &str, code: &str) {
        let error = Scheme::parse(text).err();
        assert_eq!(error.as_ref().map(|error| error.code), Some(code), "{text}");
    }

    #[test]
    fn what_would_burn_the_machine_is_refused_without_trying_it() {
        let tail = "c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA";
        for head in [
            "$argon2id$v=19$m=4294967295,t=1,p=1",
            "$argon2id$v=19$m=131073,t=1,p=1",
            "$argon2id$v=19$m=65536,t=4294967295,p=1",
            "$argon2i$v=19$m=65536,t=17,p=1",
            "$argon2id$v=19$m=131072,t=1,p=17",
            "$scrypt$ln=63,r=8,p=1",
            "$scrypt$ln=18,r=8,p=1",
            "$scrypt$ln=4,r=4294967295,p=4294967295",
            "$scrypt$ln=17,r=8,p=5",
            "$pbkdf2-sha256$i=4294967295",
            "$pbkdf2-sha1$i=1000001",
        ] {
            refused(&format!("{head}${tail}"), "too_costly");
        }
        for text in [
            "$2b$15$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTTOq",
            "$2b$31$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTTOq",
            "pbkdf2_sha256$4000000000$salt$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA=",
        ] {
            refused(text, "too_costly");
        }
    }

    #[test]
    fn what_is_no_hash_that_is_taken_is_refused_with_its_reason() {
        let tail = "c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA";
        for text in [
            "",
            "password",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
            "$6$rounds=5000$salt$x",
            "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "{SSHA}x",
            "pbkdf2_md5$1000$salt$x",
            &format!("$argon2d$v=19$m=65536,t=2,p=1${tail}"),
        ] {
            refused(text, "unknown_kind");
        }
        for text in [
            "$argon2id$",
            "$2b$05$short",
            &format!("$argon2id$m=65536,t=2,p=1${tail}"),
            &format!("$argon2id$v=19$m=65536,t=2${tail}"),
            &format!("$argon2id$v=19$m=65536,t=2,p=1,x=1${tail}"),
            &format!("$argon2id$v=19$m=1,t=2,p=1${tail}"),
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHQxMjM",
            &format!("$scrypt$ln=4${tail}"),
            &format!("$scrypt$ln=4,r=0,p=1${tail}"),
            "$pbkdf2-sha256$i=4096",
            "pbkdf2_sha256$x$salt$x",
            "pbkdf2_sha256$1000$salt$x",
            "pbkdf2_sha256$1000$salt$eHg=$x",
            &format!("$2b$05${}", "\u{e9}".repeat(30)),
            &"$2b$".repeat(200),
        ] {
            refused(text, "invalid");
        }
        let weak = "pbkdf2_sha256$1$salt$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA=";
        refused(weak, "too_weak");
    }
}
