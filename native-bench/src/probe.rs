//! What Linux and Redis say about the processes under test.

use anyhow::{Context, Result};
use std::fs;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// CPU time since the start of a process, in seconds.
#[derive(Default, Clone, Copy)]
pub struct Cpu {
    pub user: f64,
    pub system: f64,
}

impl Cpu {
    pub fn total(self) -> f64 {
        self.user + self.system
    }

    pub fn since(self, earlier: Cpu) -> Cpu {
        Cpu { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// Of all threads of a process, those that have ended included.
pub fn process_cpu(pid: u32) -> Result<Cpu> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("no process {pid}"))?;
    // SAFETY: sysconf only reads.
    let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let (user, system) = stat_ticks(&stat).context("/proc/<pid>/stat is not as expected")?;
    Ok(Cpu { user: user / ticks_per_second, system: system / ticks_per_second })
}

/// User and system time. The name of the process stands before them in brackets, and may itself have any characters.
fn stat_ticks(stat: &str) -> Option<(f64, f64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Resident memory of a process, in bytes.
pub fn process_rss(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("no process {pid}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: u64 = line.context("the process has ended")?.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

/// CPU time of several Redis servers together, in seconds.
pub async fn redis_cpu(servers: &[String]) -> Result<f64> {
    let mut total = 0.0;
    for server in servers {
        total += cpu_of_info(&redis_info(server).await.with_context(|| format!("no INFO from Redis at {server}"))?);
    }
    Ok(total)
}

async fn redis_info(server: &str) -> Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(server).await?);
    stream.write_all(b"INFO cpu\r\n").await?;
    let mut head = String::new();
    stream.read_line(&mut head).await?;
    let length: u64 = head.trim_end().strip_prefix('$').context(head.trim_end().to_owned())?.parse()?;
    let mut info = String::new();
    stream.take(length).read_to_string(&mut info).await?;
    Ok(info)
}

fn cpu_of_info(info: &str) -> f64 {
    let fields = info.lines().filter_map(|line| line.split_once(':'));
    let times = fields.filter(|(name, _)| matches!(*name, "used_cpu_user" | "used_cpu_sys"));
    times.filter_map(|(_, seconds)| seconds.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_after_any_name() {
        let stat = "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 11";
        assert_eq!(stat_ticks(stat), Some((150.0, 25.0)));
        assert_eq!(stat_ticks("7 a R"), None);
    }

    #[test]
    fn tells_of_this_process() {
        let pid = std::process::id();
        assert!(process_rss(pid).unwrap() > 100_000);
        let before = process_cpu(pid).unwrap();
        while process_cpu(pid).unwrap().since(before).total() == 0.0 {
            std::hint::black_box(std::time::Instant::now());
        }
        assert!(process_cpu(0).is_err());
    }

    #[test]
    fn adds_up_what_redis_used_itself() {
        let info = "# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:2.25\r\nused_cpu_sys_children:9\r\nused_cpu_sys_main_thread:1.4\r\n";
        assert_eq!(cpu_of_info(info), 3.75);
    }
}
