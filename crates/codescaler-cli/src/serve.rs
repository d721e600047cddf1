//! `codescaler serve`: the HTTP server.

pub(crate) mod backend;
mod pages;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::{Args, ValueEnum};
use codescaler::shaping::Shaping;
use codescaler_extract::Policy;
use codescaler_http::{Server, ServerBounds, ServerError, ServerOptions};
use serde_json::json;

use self::backend::Judge;
use crate::{
    exec::SandboxOptions,
    failure::{Failure, Outcome},
    score::{ScorerOptions, remote::read_secret},
    solve::proxy::ProxyOptions,
    terminal::{Terminal, check_interrupt},
};

/// Serve rewards, executions and best-of-N over HTTP.
///
/// One server speaks the shapes of verl (vLLM's /classify and SGLang's /v1/embeddings), OpenRLHF
/// (/get_reward), slime (/rm), NeMo Gym (/verify), vLLM, Cohere, Jina and text-embeddings-inference
/// (/score, /rerank, /predict), SandboxFusion (/run_code) and OpenAI (/v1/chat/completions), beside its
/// own /v1/reward and /v1/judge. GET /openapi.json describes them, docs/serve.md explains them.
#[derive(Args)]
#[command(after_help = "\
Single requests become batches, which share what their problems share; a full queue is answered with
503 and Retry-After. SIGTERM or Ctrl-C lets what is under way finish. Programs are run only with
--run-code, language models asked only with --endpoint or --endpoints.

Examples:
  codescaler serve
  codescaler serve --reward-model CodeScaler-1.7B --port 8000 --shaping softplus
  codescaler serve --scorer-url http://10.0.0.1:8000 --scorer-url http://10.0.0.2:8000
  codescaler serve --host 0.0.0.0 --token-file token.txt --run-code
  codescaler serve --endpoint http://127.0.0.1:8001/v1 --language-model Qwen/Qwen3-8B \\
      --method 'codescaler_run:n=8'

  codescaler serve --ui runs/

  curl -s 127.0.0.1:8000/v1/reward --json '{\"items\":[{\"problem\":\"Print 1.\",\"response\":\"print(1)\"}]}'")]
pub(crate) struct Options {
    /// The address to listen on. Everybody who reaches it is let in, unless there is a token.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The port; 0 lets the system choose.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// A file with the token that clients must give as `Authorization: Bearer …`.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// The certificate chain, in PEM; with it the server speaks TLS.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key, in PEM.
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// An OpenTelemetry collector that gets a span for each request (OTLP over HTTP), such as
    /// <http://127.0.0.1:4318>. Headers for it are read from `OTEL_EXPORTER_OTLP_HEADERS`.
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
    /// What clients call the reward model.
    #[arg(long, default_value = "codescaler")]
    name: String,
    /// Which block of a completion is the program, where a request does not say.
    #[arg(long, default_value_t = Policy::BestValid)]
    policy: Policy,
    #[command(flatten)]
    shaping: ShapingOptions,
    /// Let clients run programs in the sandbox: /run_code, /v1/judge, and /verify by its tests.
    #[arg(long)]
    run_code: bool,
    /// A folder whose folders are runs: /ui lists and shows them as they stand, and ranks programs that
    /// are pasted.
    #[arg(long, value_name = "RUNS")]
    ui: Option<PathBuf>,
    #[command(flatten)]
    bounds: BoundOptions,
    /// What is logged to stderr.
    #[arg(long, value_enum, default_value_t = LogLevel::Warn)]
    log_level: LogLevel,
    /// How it is logged.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(flatten)]
    scorer: ScorerOptions,
    #[command(flatten)]
    sandbox: SandboxOptions,
    #[command(flatten)]
    proxy: ProxyOptions,
}

/// How scores become rewards.
#[derive(Args, Clone)]
pub(crate) struct ShapingOptions {
    /// How scores become rewards; in the server on the routes of trainers, where a request does not
    /// say: routes of other servers always give raw scores.
    #[arg(long, value_enum, default_value_t = ShapingKind::Softplus)]
    shaping: ShapingKind,
    /// Subtracted from the score by softplus and sigmoid.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    offset: f32,
    /// What the score is divided by in sigmoid.
    #[arg(long, default_value_t = 1.0)]
    scale: f32,
}

#[derive(Clone, Copy, ValueEnum)]
enum ShapingKind {
    /// The score as it is; 0 without a program.
    Raw,
    /// ln(1 + exp(score - offset)); 0 without a program.
    Softplus,
    /// 1 / (1 + exp(-(score - offset) / scale)); 0 without a program.
    Sigmoid,
}

impl ShapingOptions {
    /// The shaping.
    pub(crate) fn shaping(&self) -> Result<Shaping, Failure> {
        let (offset, scale) = (self.offset, self.scale);
        if !offset.is_finite() || !scale.is_finite() || scale <= 0.0 {
            return Err(Failure::input("--offset and --scale are numbers, --scale above zero"));
        }
        Ok(match self.shaping {
            ShapingKind::Raw => Shaping::Raw { invalid: 0.0 },
            ShapingKind::Softplus => Shaping::Softplus { offset },
            ShapingKind::Sigmoid => Shaping::Sigmoid { offset, scale },
        })
    }
}

#[derive(Args)]
#[command(next_help_heading = "Bounds")]
struct BoundOptions {
    /// Open connections; more wait to be accepted.
    #[arg(long, default_value_t = 4096)]
    connections_max: usize,
    /// The size of a request.
    #[arg(long, default_value_t = 16)]
    body_mib_max: usize,
    /// Items of a request.
    #[arg(long, default_value_t = 4096)]
    items_max: usize,
    /// Items that wait to be scored; more are answered with 503.
    #[arg(long, default_value_t = 16_384)]
    queue_max: usize,
    /// Seconds until an answer; what is later is 503, which clients try again. Below the time that
    /// trainers wait: slime 120, OpenRLHF 180.
    #[arg(long, default_value_t = 100)]
    answer_s_max: u64,
    /// Seconds for what is under way when the server is told to stop.
    #[arg(long, default_value_t = 30)]
    drain_s_max: u64,
}

impl BoundOptions {
    fn bounds(&self) -> ServerBounds {
        ServerBounds {
            connections_max: self.connections_max,
            body_bytes_max: self.body_mib_max << 20,
            items_max: self.items_max,
            queue_items_max: self.queue_max,
            answer_timeout: Duration::from_secs(self.answer_s_max),
            drain_timeout: Duration::from_secs(self.drain_s_max),
            ..ServerBounds::default()
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum LogLevel {
    /// What went wrong.
    Warn,
    /// Every request.
    Info,
    /// Connections too.
    Debug,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Lines for people.
    Text,
    /// JSON Lines.
    Json,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let token = options.token_file.as_deref().map(read_secret).transpose()?;
    if !options.host.is_loopback() && token.is_none() {
        if options.run_code {
            return Err(Failure::input(format!(
                "with --run-code on {}, everybody who reaches it could run programs here: give \
                 --token-file",
                options.host
            )));
        }
        terminal.note(&format!(
            "everybody who reaches {} is let in: --token-file asks for a token",
            options.host
        ));
    }
    if let Some(runs) = options.ui.as_ref().filter(|runs| !runs.is_dir()) {
        return Err(Failure::input(format!("--ui: {} is no folder", runs.display())));
    }
    start_logging(options);
    let runs = options.run_code || options.proxy.asks_anybody();
    let sandbox = if runs { Some(options.sandbox.start(terminal)?) } else { None };
    let judge = Judge::open(options, sandbox)?;
    let server_options = ServerOptions {
        bind: SocketAddr::new(options.host, options.port),
        token,
        tls: options.tls_cert.clone().zip(options.tls_key.clone()),
        traces: options.otlp_endpoint.clone(),
        bounds: options.bounds.bounds(),
        clock: seconds_since_1970,
    };
    let scheme = if server_options.tls.is_some() { "https" } else { "http" };
    let server = Server::bind(server_options, Arc::new(judge)).map_err(cannot_serve)?;
    let url = format!("{scheme}://{}", server.address());
    terminal.print(&format!("listening on {url}"));
    if options.ui.is_some() {
        terminal.note(&format!("to look at runs: {url}/ui"));
    }
    server.run(&|| check_interrupt().is_err()).map_err(cannot_serve)?;
    terminal.note("stopped; everything that was under way is answered");
    Ok(Outcome::done(json!({"verb": "serve", "url": url})))
}

fn cannot_serve(error: ServerError) -> Failure {
    match error {
        error @ (ServerError::Bind { .. }
        | ServerError::Tls { .. }
        | ServerError::Traces { .. }) => Failure::Input(anyhow::Error::new(error)),
        error @ ServerError::Thread(_) => Failure::fault(error, "the server does not start"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line reads the clock")]
fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn start_logging(options: &Options) {
    let level = match options.log_level {
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
    };
    let logs = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    match options.log_format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}
