//! What Quench costs beside QEMU: the `sh` plan by hand against `build`, in the same run, and what packaging,
//! verification and record add. Wall time and processor time; the latter does not care who else uses the machine.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::sh;
use crate::workspace::{Workspace, given_profile};

/// Of a cold build, packaging, verification and record together.
const MOST_PACKAGING: f64 = 10.0;
/// Over configure and ninja by hand.
const MOST_OVERHEAD: f64 = 2.0;

/// Wall and processor time of one part.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    wall: Duration,
    processor: Duration,
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { wall: self.wall + other.wall, processor: self.processor + other.processor }
    }
}

/// `cost [PROFILE]`; `cloud-virtio` otherwise. Compiles QEMU twice, without a cache.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let profile = given_profile(arguments.first().map_or("cloud-virtio", String::as_str));
    let profile = profile.as_str();
    sh("cargo", &["build", "--release", "--locked"], &[])?;
    let workspace = Workspace::find()?;
    let (quench, work) = (&workspace.built("release", "quench"), &workspace.below("cost"));
    let dist = workspace.below("cost/dist");
    let _ = std::fs::remove_dir_all(format!("{work}/builds"));
    // Shut in, a program's processor time is not ours to read: both ways run without the sandbox.
    let common = ["--stale-index", "--work", work];
    let build = ["build", profile, "--sandbox", "never", "--output", &dist, "--until"];
    let until = |step: &str| time(quench, &[&build[..], &[step], &common[..]].concat());
    sh(quench, &[&["deps", profile, "--install", "--yes"][..], &common[..]].concat(), &[])?;
    until("source")?;
    let plan = Command::new(quench)
        .args(["plan", profile, "--format", "sh"])
        .args(common)
        .output()
        .map_err(|error| error.to_string())?;
    let script = format!("{work}/plan.sh");
    std::fs::write(&script, plan.stdout).map_err(|error| error.to_string())?;
    let hand = workspace.below("cost/by-hand");
    let _ = std::fs::remove_dir_all(&hand);
    let by_hand = time("env", &[&format!("BUILD={hand}"), "sh", &script])?;
    let compiled = until("configure")? + until("compile")? + until("stage")?;
    let packaged = until("record")?;
    let all = compiled + packaged;
    // Two processor times of compilers differ by more than Quench takes: what it takes is measured alone, too.
    let idle = until("configure")? + until("compile")? + until("stage")?;
    println!("{:<42} {:>9} {:>9}", "", "wall s", "cpu s");
    for (name, cost) in [
        ("the sh plan: configure, ninja, strip", by_hand),
        ("quench: the same, three runs of it", compiled),
        ("quench: packages, verification, record", packaged),
        ("quench: three runs with nothing to do", idle),
    ] {
        let (wall, processor) = (cost.wall.as_secs_f64(), cost.processor.as_secs_f64());
        println!("{name:<42} {wall:>9.1} {processor:>9.1}");
    }
    let overhead = share(compiled.processor, by_hand.processor) - 100.0;
    let alone = share(idle.processor, by_hand.processor);
    let packaging = share(packaged.processor, all.processor);
    println!("overhead over configure and ninja: {overhead:.1} % (at most {MOST_OVERHEAD} %)");
    println!("quench with nothing to do, of configure and ninja: {alone:.1} %");
    println!(
        "packaging, verification, record: {packaging:.1} % of all (at most {MOST_PACKAGING} %)"
    );
    if MOST_OVERHEAD < overhead || MOST_PACKAGING < packaging {
        return Err("it costs more than it may".to_owned());
    }
    Ok(())
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}

fn share(part: Duration, whole: Duration) -> f64 {
    100.0 * part.as_secs_f64() / whole.as_secs_f64().max(0.01)
}

fn time(program: &str, arguments: &[&str]) -> Result<Cost, String> {
    let (start, before) = (Instant::now(), children()?);
    sh(program, arguments, &[])?;
    Ok(Cost { wall: start.elapsed(), processor: children()?.saturating_sub(before) })
}

/// Processor time of all children that ended: fields 16 and 17 of `stat`, in hundredths of a second.
fn children() -> Result<Duration, String> {
    let stat = std::fs::read_to_string("/proc/self/stat").map_err(text)?;
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = rest.split(' ').skip(13).take(2).map(|field| field.parse::<u64>().unwrap_or(0));
    Ok(Duration::from_millis(10 * ticks.sum::<u64>()))
}
