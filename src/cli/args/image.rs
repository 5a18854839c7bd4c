//! Flags of the verbs about images.

use crate::id::ImageRef;
use clap::Args;
use std::path::PathBuf;

/// `images`
#[derive(Debug, Args)]
pub struct Images {
    /// Only images whose name starts so
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Print only ids
    #[arg(short, long, conflicts_with = "format")]
    pub quiet: bool,
    /// `table`, `json`, or a template such as `{{.Repository}}:{{.Tag}}`
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
    /// Do not cut ids
    #[arg(long)]
    pub no_trunc: bool,
}

/// `rmi`
#[derive(Debug, Args)]
pub struct Rmi {
    /// Names or ids of images
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
    /// Remove images that a container uses, too; those that are not there are no error
    #[arg(short, long)]
    pub force: bool,
}

/// `save`
#[derive(Debug, Args)]
pub struct Save {
    /// Names or ids of images; a name without a tag means all its tags
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
    /// File, or `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`, `dir:DIR` (default: stdout)
    #[arg(short, long, value_name = "PLACE")]
    pub output: Option<String>,
    /// Platform of the images, such as linux/arm64, if not this machine's
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
}

/// `load`
#[derive(Debug, Args)]
pub struct Load {
    /// Archive as `docker save` or an OCI tool wrote it, plain or compressed; or `oci:DIR[:TAG]`,
    /// `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`, `dir:DIR` (default: stdin)
    #[arg(short, long, value_name = "PLACE")]
    pub input: Option<String>,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// `import`
#[derive(Debug, Args)]
pub struct Import {
    /// Tar archive of a root filesystem, plain or compressed; `-` reads stdin
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// Name of the image
    pub name: Option<ImageRef>,
    /// Apply an instruction such as `CMD ["nginx"]`, `ENV A=1`, `EXPOSE 80`; may be repeated
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
}

/// `tag`
#[derive(Debug, Args)]
pub struct Tag {
    /// Name or id of the image
    pub source: ImageRef,
    /// Its new name
    pub target: ImageRef,
}
