use hoist::compose::*;
fn main() {
    let mut o = LoadOptions::new(std::env::current_dir().unwrap(), std::env::vars().collect());
    o.files = std::env::args().skip(2).map(Into::into).collect();
    let mode = std::env::args().nth(1).unwrap_or_default();
    match load(&o) {
        Ok(l) => {
            let d = Diagnostics {
                list: l.warnings,
                sources: l.sources,
            };
            eprint!("{}", d.render(false, 120));
            match mode.as_str() {
                "json" => print!("{}", render::json(&l.project)),
                "canonical" => {
                    let text = render::canonical(&l.project);
                    let t = std::time::Instant::now();
                    let back = load_canonical(&text).unwrap();
                    eprintln!("{:?} {}", t.elapsed(), back == l.project);
                    println!("{text}");
                }
                _ => print!("{}", render::yaml(&l.project)),
            }
        }
        Err(d) => eprint!("{}", d.render(false, 120)),
    }
}
