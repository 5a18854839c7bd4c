//! What this machine's cgroups cannot do, found before a container is made.
//!
//! Invariant: what is dropped is told; what would be unsafe to drop (a limit of memory, CPU time, processes, rates) never is.

use super::Error;
use super::Layout;
use super::blkio;
use crate::runtime::spec::CgroupSpec;

/// Takes out of `spec` what this machine cannot honour and a container can do without; a sentence for each, with the reason.
pub fn discard_unsupported(spec: &mut CgroupSpec) -> Result<Vec<String>, Error> {
    let layout = Layout::here()?;
    Ok(match layout.is_pure_v2() {
        true => discard_on_v2(spec),
        false => discard_on_v1(spec, layout),
    })
}

fn discard_on_v2(spec: &mut CgroupSpec) -> Vec<String> {
    let mut told = Vec::new();
    let only_v1 = |key: &str| format!("`{key}` has no effect: cgroup v2 has no such setting");
    told.extend(
        spec.memory_swappiness
            .take()
            .map(|_| only_v1("mem_swappiness")),
    );
    if std::mem::take(&mut spec.oom_kill_disable) {
        told.push(only_v1("oom_kill_disable"));
    }
    told.extend(
        spec.cpu_rt_runtime
            .take()
            .map(|_| only_v1("cpu_rt_runtime")),
    );
    told.extend(spec.cpu_rt_period.take().map(|_| only_v1("cpu_rt_period")));
    told.extend(discard_shares(spec));
    told
}

/// Shares of disks whose scheduler has none.
fn discard_shares(spec: &mut CgroupSpec) -> Vec<String> {
    let devices = std::mem::take(&mut spec.blkio.weight_device);
    let (kept, dropped): (Vec<_>, Vec<_>) = devices
        .into_iter()
        .partition(|limit| blkio::has_shares(&limit.path));
    spec.blkio.weight_device = kept;
    let told = |path: &std::path::Path| {
        let path = path.display();
        format!(
            "`blkio_config.weight_device` has no effect on `{path}`: its I/O scheduler, which is not `bfq`, has no shares"
        )
    };
    dropped.iter().map(|limit| told(&limit.path)).collect()
}

fn discard_on_v1(spec: &mut CgroupSpec, layout: &Layout) -> Vec<String> {
    let mut told = Vec::new();
    // The files are those of every group but the root, so only a group tells.
    let in_group = |controller: &str, file: &str| {
        layout.v1_of(controller).is_some_and(|hierarchy| {
            let own = hierarchy.mount.join(&hierarchy.own);
            own.join(file).exists()
                || super::tree::children(&own)
                    .iter()
                    .any(|child| child.join(file).exists())
        })
    };
    told.extend(discard_shares(spec));
    if spec.oom_kill_disable && spec.memory.is_none() {
        told.push(
            "`oom_kill_disable` without `mem_limit` lets a service take all memory of the machine"
                .into(),
        );
    }
    if spec.memory_swap.is_some_and(|limit| limit >= 0)
        && !in_group("memory", "memory.memsw.limit_in_bytes")
    {
        spec.memory_swap = None;
        told.push("`memswap_limit` has no effect: the kernel does not account swap (boot option `swapaccount=1`)".into());
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v2_says_what_it_has_not() {
        let mut spec = CgroupSpec {
            memory: Some(1 << 20),
            memory_swappiness: Some(1),
            oom_kill_disable: true,
            cpu_rt_runtime: Some(1),
            ..CgroupSpec::default()
        };
        let told = discard_on_v2(&mut spec).join("\n");
        for key in ["mem_swappiness", "oom_kill_disable", "cpu_rt_runtime"] {
            assert!(told.contains(&format!("`{key}`")), "{told}");
        }
        let left = CgroupSpec {
            memory: Some(1 << 20),
            ..CgroupSpec::default()
        };
        assert_eq!(spec, left);
    }
}
