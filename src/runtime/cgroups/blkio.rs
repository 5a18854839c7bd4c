//! Limits of block devices: shares and rates, as each version of cgroups writes them.
//!
//! Devices are named by their nodes on the host and looked up at the time of the write: their numbers do not outlive a boot.

use super::Error;
use super::limits::Write;
use super::limits::asked;
use crate::runtime::spec::BlkioSpec;
use crate::runtime::spec::DeviceLimit;
use rustix::fs::FileType;
use std::io;
use std::path::Path;

/// `key`, v1 file and v2 word of each rate.
const RATES: [(&str, &str, &str); 4] = [
    (
        "blkio_config.device_read_bps",
        "blkio.throttle.read_bps_device",
        "rbps",
    ),
    (
        "blkio_config.device_write_bps",
        "blkio.throttle.write_bps_device",
        "wbps",
    ),
    (
        "blkio_config.device_read_iops",
        "blkio.throttle.read_iops_device",
        "riops",
    ),
    (
        "blkio_config.device_write_iops",
        "blkio.throttle.write_iops_device",
        "wiops",
    ),
];
const WEIGHT: &str = "blkio_config.weight";
const WEIGHT_DEVICE: &str = "blkio_config.weight_device";

fn rates(
    spec: &BlkioSpec,
) -> impl Iterator<Item = (&'static str, &'static str, &'static str, &DeviceLimit)> {
    let all = [
        &spec.read_bps,
        &spec.write_bps,
        &spec.read_iops,
        &spec.write_iops,
    ];
    RATES
        .into_iter()
        .zip(all)
        .flat_map(|((key, v1, v2), limits)| limits.iter().map(move |limit| (key, v1, v2, limit)))
}

/// `MAJOR:MINOR` of the block device a limit is about.
fn numbers(key: &'static str, limit: &DeviceLimit) -> Result<String, Error> {
    let failed = |source| Error::Limit {
        key,
        value: limit.path.display().to_string(),
        source,
    };
    numbers_of(&limit.path).map_err(failed)
}

fn numbers_of(path: &Path) -> io::Result<String> {
    let info = rustix::fs::stat(path)?;
    if FileType::from_raw_mode(info.st_mode) != FileType::BlockDevice {
        return Err(io::Error::other("not a block device"));
    }
    let (major, minor) = (
        rustix::fs::major(info.st_rdev),
        rustix::fs::minor(info.st_rdev),
    );
    Ok(format!("{major}:{minor}"))
}

/// Whether the scheduler of a disk, or on v2 the model of its costs, knows shares. What is no disk, or does not tell, is for
/// the kernel to refuse.
pub fn has_shares(path: &Path) -> bool {
    let Ok(numbers) = numbers_of(path) else {
        return true;
    };
    let device = Path::new("/sys/dev/block").join(&numbers);
    let schedulers = ["queue/scheduler", "../queue/scheduler"].map(|file| device.join(file));
    let text = schedulers
        .iter()
        .find_map(|file| std::fs::read_to_string(file).ok());
    let costs = std::fs::read_to_string("/sys/fs/cgroup/io.cost.qos").unwrap_or_default();
    let has_costs =
        |line: &str| line.starts_with(&format!("{numbers} ")) && line.contains("enable=1");
    text.is_none_or(|text| text.contains("[bfq]")) || costs.lines().any(has_costs)
}

/// What to write on cgroup v1. Shares are those of the BFQ scheduler: the older one that had its own is gone since 5.0.
pub fn v1(spec: &BlkioSpec) -> Result<Vec<Write>, Error> {
    let mut writes = Vec::new();
    writes.extend(
        spec.weight
            .map(|weight| asked("blkio", "blkio.bfq.weight", WEIGHT, weight)),
    );
    for limit in &spec.weight_device {
        let value = format!("{} {}", numbers(WEIGHT_DEVICE, limit)?, limit.value);
        writes.push(asked(
            "blkio",
            "blkio.bfq.weight_device",
            WEIGHT_DEVICE,
            value,
        ));
    }
    for (key, file, _, limit) in rates(spec) {
        let value = format!("{} {}", numbers(key, limit)?, limit.value);
        writes.push(asked("blkio", file, key, value));
    }
    Ok(writes)
}

/// What to write on cgroup v2. `bfq`: this kernel has BFQ, whose shares have docker's own range.
pub fn v2(spec: &BlkioSpec, bfq: bool) -> Result<Vec<Write>, Error> {
    let (file, scale): (_, fn(u64) -> u64) = match bfq {
        true => ("io.bfq.weight", |weight| weight),
        false => ("io.weight", io_weight),
    };
    let mut writes = Vec::new();
    let weight = spec
        .weight
        .map(|weight| format!("default {}", scale(weight)));
    writes.extend(weight.map(|value| asked("io", file, WEIGHT, value)));
    for limit in &spec.weight_device {
        let value = format!("{} {}", numbers(WEIGHT_DEVICE, limit)?, scale(limit.value));
        writes.push(asked("io", file, WEIGHT_DEVICE, value));
    }
    for (key, _, word, limit) in rates(spec) {
        let value = format!("{} {word}={}", numbers(key, limit)?, limit.value);
        writes.push(asked("io", "io.max", key, value));
    }
    Ok(writes)
}

/// Docker's 10 … 1000 as the kernel's 1 … 10000, as the OCI runtimes convert it.
fn io_weight(weight: u64) -> u64 {
    1 + (weight.clamp(10, 1000) - 10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(path: &str, value: u64) -> Vec<DeviceLimit> {
        vec![DeviceLimit {
            path: path.into(),
            value,
        }]
    }

    fn lines(writes: Vec<Write>) -> Vec<String> {
        let line = |write: Write| format!("{} {}", write.file, write.value);
        writes.into_iter().map(line).collect()
    }

    #[test]
    fn weights_cover_both_ranges() {
        assert_eq!([10, 500, 1000].map(io_weight), [1, 4950, 10_000]);
        let spec = BlkioSpec {
            weight: Some(500),
            ..BlkioSpec::default()
        };
        assert_eq!(lines(v1(&spec).unwrap()), ["blkio.bfq.weight 500"]);
        assert_eq!(
            lines(v2(&spec, true).unwrap()),
            ["io.bfq.weight default 500"]
        );
        assert_eq!(lines(v2(&spec, false).unwrap()), ["io.weight default 4950"]);
    }

    #[test]
    fn a_rate_is_of_a_block_device_by_its_numbers() {
        let Some(device) = ["/dev/vda", "/dev/sda", "/dev/loop0"]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())
        else {
            return;
        };
        let spec = BlkioSpec {
            write_bps: limits(device, 7),
            read_iops: limits(device, 9),
            ..BlkioSpec::default()
        };
        let numbers = numbers("", &spec.write_bps[0]).unwrap();
        assert_eq!(
            lines(v1(&spec).unwrap()),
            [
                format!("blkio.throttle.write_bps_device {numbers} 7"),
                format!("blkio.throttle.read_iops_device {numbers} 9")
            ]
        );
        assert_eq!(
            lines(v2(&spec, true).unwrap()),
            [
                format!("io.max {numbers} wbps=7"),
                format!("io.max {numbers} riops=9")
            ]
        );
    }

    #[test]
    fn what_is_no_block_device_is_named() {
        for path in ["/dev/null", "/nonesuch"] {
            let spec = BlkioSpec {
                read_bps: limits(path, 1),
                ..BlkioSpec::default()
            };
            let error = v1(&spec).unwrap_err().to_string();
            assert!(
                error.contains(path) && error.contains("device_read_bps"),
                "{error}"
            );
        }
    }
}
