//! What is mounted into a service, as a tree.

use super::service::Fields;
use crate::compose::model::BindMount;
use crate::compose::model::FileMount;
use crate::compose::model::Mount;
use crate::compose::model::Service;
use crate::compose::model::TmpfsMount;
use crate::compose::model::VolumeMount;
use serde_json::Value;

/// `volumes`, `tmpfs`, `secrets` and `configs`.
pub fn storage(service: &Service, fields: &mut Fields) {
    // What `tmpfs` gave stands at the end; what can be said there is said there.
    let is_tmpfs = |mount: &&Mount| matches!(mount, Mount::Tmpfs(_));
    let tail = service.mounts.iter().rev().take_while(is_tmpfs).count();
    let (volumes, tmpfs) = service.mounts.split_at(service.mounts.len() - tail);
    fields.list("volumes", volumes, mount);
    fields.list("tmpfs", tmpfs, |mount| match mount {
        Mount::Tmpfs(tmpfs) => tmpfs_text(tmpfs).into(),
        other => self::mount(other),
    });
    fields.list("secrets", &service.secrets, file_mount);
    fields.list("configs", &service.configs, file_mount);
}

fn mount(mount: &Mount) -> Value {
    let mut fields = Fields::default();
    match mount {
        Mount::Volume(volume) => volume_mount(volume, &mut fields),
        Mount::Bind(bind) => bind_mount(bind, &mut fields),
        Mount::Tmpfs(tmpfs) => tmpfs_mount(tmpfs, &mut fields),
    }
    fields.into()
}

fn volume_mount(volume: &VolumeMount, fields: &mut Fields) {
    fields.put("type", "volume");
    fields.some("source", volume.source.as_deref());
    fields.put("target", volume.target.as_str());
    fields.flag("read_only", volume.read_only);
    let mut inner = Fields::default();
    inner.flag("nocopy", volume.nocopy);
    inner.some("subpath", volume.subpath.as_deref());
    fields.put("volume", Value::from(inner));
}

fn bind_mount(bind: &BindMount, fields: &mut Fields) {
    fields.put("type", "bind");
    fields.put("source", bind.source.to_string_lossy());
    fields.put("target", bind.target.as_str());
    fields.flag("read_only", bind.read_only);
    let mut inner = Fields::default();
    inner.some("propagation", bind.propagation.as_deref());
    inner.put("create_host_path", bind.create_host_path);
    if !bind.recursive {
        inner.put("recursive", "disabled");
    }
    fields.put("bind", Value::from(inner));
}

fn tmpfs_mount(tmpfs: &TmpfsMount, fields: &mut Fields) {
    fields.put("type", "tmpfs");
    fields.put("target", tmpfs.target.as_str());
    fields.flag("read_only", tmpfs.read_only);
    let mut inner = Fields::default();
    inner.some("size", tmpfs.size.map(|size| size.to_string()));
    inner.some("mode", tmpfs.mode);
    fields.put("tmpfs", Value::from(inner));
}

fn tmpfs_text(tmpfs: &TmpfsMount) -> String {
    let mut options = Vec::new();
    options.extend(tmpfs.size.map(|size| format!("size={size}")));
    options.extend(tmpfs.mode.map(|mode| format!("mode={mode:o}")));
    if tmpfs.read_only {
        options.push("ro".to_owned());
    }
    options.extend(tmpfs.options.iter().cloned());
    match options.is_empty() {
        true => tmpfs.target.clone(),
        false => format!("{}:{}", tmpfs.target, options.join(",")),
    }
}

fn file_mount(mount: &FileMount) -> Value {
    let mut fields = Fields::default();
    fields.put("source", mount.source.as_str());
    fields.put("target", mount.target.as_str());
    fields.some("uid", mount.uid.map(|id| id.to_string()));
    fields.some("gid", mount.gid.map(|id| id.to_string()));
    fields.some("mode", mount.mode.map(|mode| format!("0{mode:o}")));
    fields.into()
}
