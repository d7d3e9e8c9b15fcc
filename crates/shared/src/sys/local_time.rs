//! The time zone of this machine.

use std::mem::MaybeUninit;

/// How many seconds local time is ahead of UTC at this moment, given in seconds since 1970. The C library reads the time zone at
/// the first call and remembers it.
pub fn utc_offset(unix_seconds: i64) -> i32 {
    let mut local = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the length of the call. A `tm` of zeros is one, should the call fail.
    let local = unsafe {
        libc::localtime_r(&raw const unix_seconds, local.as_mut_ptr());
        local.assume_init()
    };
    i32::try_from(local.tm_gmtoff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_one_that_a_time_zone_has() {
        for seconds in [0, 1_795_200_374, i64::MAX] {
            assert!(utc_offset(seconds).abs() < 16 * 3600);
        }
    }
}
