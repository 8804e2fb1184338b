//! What a request costs a gateway node with everything on, beside nginx doing its nearest
//! equivalent and nginx forwarding only; what a token costs the control plane, beside another
//! provider (`identity.rs`).
//!
//! Each subject runs alone on one core; clients, upstream and control plane run on another. All
//! subjects take their turns in every round, so that whatever else the machine does meets them
//! alike. What could not be measured is said, with the reason. Read [`run`] first.

mod arguments;
mod closed_loop;
mod identity;
mod machine;
mod nginx;
mod node;
mod open_loop;
mod process;
mod report;
mod subject;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

use arguments::{Arguments, Subjects};
use closed_loop::Wrk;
use machine::{CoreTimes, Cores};
use nginx::Nginx;
use open_loop::OpenLoop;
use process::{Folder, find_program};
use report::{Latency, Report};
use subject::Subject;

const ROUNDS: usize = 3;
const CONNECTIONS: usize = 64;
const BODY_BYTES: usize = 1024;
const WARM_UP: Duration = Duration::from_secs(1);
const CLOSED_ROUND: Duration = Duration::from_secs(5);
const OPEN_ROUND: Duration = Duration::from_secs(3);
/// Above this a latency says as much about the clients as about the subject.
const LOAD_CORE_BUSY_MAX: f64 = 0.85;
/// What the rate is chosen for, with some room for rounds that are busier than the trial.
const LOAD_CORE_BUSY_AIM: f64 = 0.75;
const TRIAL: Duration = Duration::from_secs(1);
const TRIALS_MAX: u32 = 8;
/// Requests per second where the closed loop could not tell what the subjects can do.
const RATE_UNTOLD: u32 = 5_000;

pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let outcome = Arguments::parse(arguments).and_then(|arguments| {
        // One thread: what it pins itself to, its children inherit.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(until_stopped(async {
            match arguments.subjects {
                Subjects::DataPlane => run(&arguments).await,
                Subjects::Identity => identity::run(&arguments).await,
            }
        }))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ends early on Ctrl-C and SIGTERM; the processes that were started end with the future.
async fn until_stopped(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    tokio::select! {
        outcome = work => outcome,
        _ = interrupt.recv() => bail!("stopped"),
        _ = terminate.recv() => bail!("stopped"),
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cores = Cores::choose()?;
    let nginx = find_program("nginx").context(
        "not measured: nginx is missing, which is the upstream and what is compared with; \
         install it, e.g. apt-get install nginx-light",
    )?;
    let programs = node::build(arguments)?;
    let folder = Folder::create()?;
    machine::pin_this_thread(cores.load)?;

    say("starting the upstream, nginx and a stack");
    let upstream = Nginx::upstream(&nginx, &folder, cores)?;
    let stack = node::Control::start(&programs.plane, upstream.port).await?;
    let subjects = vec![
        stack.start_node(&programs.node, &folder, cores).await?,
        Nginx::gateway(&nginx, &folder, cores, upstream.port)?
            .into_subject("nginx: key map, limit_req, log"),
        Nginx::plain(&nginx, &folder, cores, upstream.port)?.into_subject("nginx: proxy_pass only"),
    ];
    for subject in &subjects {
        subject.wait_until_it_answers().await?;
    }

    let mut report = Report::new(cores, &nginx, &subjects);
    report.note_idle(&subjects);
    measure_cpu(&subjects, &mut report).await?;
    report.note_after_load(&subjects);
    measure_latency(cores, &subjects, &mut report)?;
    report.print(&mut std::io::stdout().lock())?;
    if let Some(path) = &arguments.json {
        report.write_json(path)?;
    }
    drop(subjects);
    stack.stop().await
}

/// As many requests as the subject takes: what one costs it.
async fn measure_cpu(subjects: &[Subject], report: &mut Report) -> anyhow::Result<()> {
    let Some(wrk) = Wrk::find() else {
        report.could_not(
            "CPU per request and requests per second: wrk is missing; install it, e.g. \
             apt-get install wrk",
        );
        return Ok(());
    };
    for subject in subjects {
        wrk.run(subject, CONNECTIONS, WARM_UP).await?;
    }
    for round in 0..ROUNDS {
        say(&format!("round {} of {ROUNDS}, closed loop", round + 1));
        for (place, subject) in subjects.iter().enumerate() {
            let before = subject.cpu_time()?;
            let done = wrk.run(subject, CONNECTIONS, CLOSED_ROUND).await?;
            let spent = subject.cpu_time()? - before;
            report.add_closed(place, done, spent);
        }
    }
    Ok(())
}

/// The same rate for all, whatever they do with it: how long an answer takes.
fn measure_latency(cores: Cores, subjects: &[Subject], report: &mut Report) -> anyhow::Result<()> {
    let rate = report
        .slowest_rate()
        .map_or(RATE_UNTOLD, half_in_round_numbers);
    let rate = slow_enough(rate, cores, subjects)?;
    report.open_loop_rate = rate;
    for round in 0..ROUNDS {
        say(&format!(
            "round {} of {ROUNDS}, {rate} requests per second",
            round + 1
        ));
        for (place, subject) in subjects.iter().enumerate() {
            let (outcome, busy) = open_round(subject, rate, OPEN_ROUND, cores)?;
            report.add_open(place, judged(outcome, busy));
        }
    }
    Ok(())
}

/// At most `rate`, and less where clients and upstream, which share a core, would be too busy for
/// it. Where nothing is slow enough the rounds say so.
fn slow_enough(mut rate: u32, cores: Cores, subjects: &[Subject]) -> anyhow::Result<u32> {
    for _ in 0..TRIALS_MAX {
        let mut busiest = 0.0_f64;
        for subject in subjects {
            let (_, busy) = open_round(subject, rate, TRIAL, cores)?;
            busiest = busiest.max(busy);
        }
        if busiest < LOAD_CORE_BUSY_AIM {
            break;
        }
        rate = in_round_numbers(f64::from(rate) * 0.8);
    }
    Ok(rate)
}

type Round = (anyhow::Result<open_loop::Latencies>, f64);

fn open_round(
    subject: &Subject,
    per_second: u32,
    length: Duration,
    cores: Cores,
) -> anyhow::Result<Round> {
    let plan = OpenLoop {
        address: subject.address,
        request: subject.request(),
        per_second,
        connections: CONNECTIONS,
        length,
    };
    let before = CoreTimes::read(cores.load)?;
    let outcome = plan.run();
    Ok((outcome, CoreTimes::read(cores.load)?.busy_since(&before)))
}

fn judged(outcome: anyhow::Result<open_loop::Latencies>, busy: f64) -> Result<Latency, String> {
    let latencies = outcome.map_err(|error| format!("{error:#}"))?;
    if busy >= LOAD_CORE_BUSY_MAX {
        return Err(format!("the load core was {:.0} % busy", busy * 100.0));
    }
    Ok(Latency {
        p50_us: latencies.quantile_us(0.5),
        p99_us: latencies.quantile_us(0.99),
        load_core_busy: busy,
    })
}

/// Half of what the slowest subject can do.
fn half_in_round_numbers(per_second: f64) -> u32 {
    in_round_numbers(per_second / 2.0)
}

/// Down to the next 500.
fn in_round_numbers(per_second: f64) -> u32 {
    const STEP: f64 = 500.0;
    ((per_second / STEP).floor() * STEP).max(STEP) as u32
}

fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "bench: {what}");
}
