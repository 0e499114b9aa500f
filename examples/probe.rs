use quench::*;
use std::collections::*;
fn load(dir: &std::path::Path) -> tree::Tree {
    let mut t = tree::Tree::new();
    fn walk(root: &std::path::Path, d: &std::path::Path, t: &mut tree::Tree) {
        for e in std::fs::read_dir(d).unwrap() {
            let e = e.unwrap();
            let p = e.path();
            let rel = p.strip_prefix(root).unwrap().to_str().unwrap().to_string();
            let ft = e.file_type().unwrap();
            if ft.is_dir() {
                if ![
                    "roms",
                    "tests",
                    "docs",
                    "subprojects",
                    "linux-user",
                    "bsd-user",
                    ".git",
                    "pc-bios",
                    ".pc",
                ]
                .contains(&rel.as_str())
                {
                    walk(root, &p, t)
                }
            } else if ft.is_file()
                && (rel.ends_with(".c")
                    || rel.ends_with(".h")
                    || rel.ends_with("Kconfig")
                    || rel.starts_with("Kconfig")
                    || rel.ends_with("meson.build")
                    || rel.ends_with(".mak")
                    || rel.ends_with("VERSION")
                    || rel.ends_with(".sh")
                    || rel.contains("Kconfig"))
            {
                t.insert(rel, std::fs::read(&p).unwrap());
            }
        }
    }
    walk(dir, dir, &mut t);
    t
}
struct C {
    sym: BTreeSet<String>,
    opt: BTreeSet<String>,
    arch: String,
}
impl catalog::Configuration for C {
    fn symbol(&self, n: &str) -> bool {
        self.sym.contains(n) || self.opt.contains(&n.to_lowercase().replace('_', "-"))
    }
    fn option(&self, n: &str) -> bool {
        self.opt.contains(n)
    }
    fn arch(&self, n: &str) -> bool {
        self.arch == n
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t0 = std::time::Instant::now();
    let t = load(std::path::Path::new(&a[1]));
    eprintln!("read {} files {:?}", t.len(), t0.elapsed());
    let t0 = std::time::Instant::now();
    let (k, f) = kconfig::parse(&t, "Kconfig");
    eprintln!("{:?}", f);
    eprintln!("kconfig {:?}", t0.elapsed());
    let t0 = std::time::Instant::now();
    let c = catalog::scan(&t);
    eprintln!("scan {:?} entries {} unseen {}", t0.elapsed(), c.entries.len(), c.unseen.len());
    let opts: BTreeSet<String> = a[3].split(' ').map(|s| s.to_string()).collect();
    let tg = kconfig::target(&t, "x86_64-softmmu").unwrap();
    let host = kconfig::host_symbols(&t, &tg, &|o| opts.contains(o));
    let devs = a[2]
        .split(' ')
        .map(|s| kconfig::Assignment { symbol: s.into(), value: true, origin: None })
        .collect();
    let t0 = std::time::Instant::now();
    let (r, f) =
        kconfig::resolve(&k, &kconfig::Request { mode: kconfig::Mode::AllNo, devices: devs, host });
    eprintln!("{:?} resolve {:?}", f, t0.elapsed());
    let r = r.unwrap();
    if a.get(4).map(|s| s == "sym") == Some(true) {
        for s in r.symbols.keys() {
            println!("CONFIG_{s}=y");
        }
        return;
    }
    let cfg =
        C { sym: r.symbols.keys().cloned().collect(), opt: opts, arch: tg.base_arch().to_string() };
    let s = catalog::predict(&c, &cfg, &BTreeSet::new());
    for d in s.devices.keys() {
        println!("{d}");
    }
    for (n, cnd) in &s.undecided {
        eprintln!("undecided {n}: {cnd}");
    }
    if a.get(4).is_some() {
        for u in &c.unseen {
            eprintln!("{:?}", u);
        }
    }
}
