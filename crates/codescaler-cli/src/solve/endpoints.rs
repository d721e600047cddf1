//! Who answers prompts: language models behind endpoints, or completions that were recorded.

use std::{
    collections::BTreeMap,
    fs,
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use codescaler::{candidate::Candidate, seed::derive};
use codescaler_http::{ApiKey, Client, Endpoint, Route};
use codescaler_nn::Policy;
use codescaler_search::{Cost, Method, Role};
use serde::Deserialize;

use crate::{
    failure::Failure,
    files::{Joined, Problems},
};

/// Where completions come from.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Language models")]
pub(crate) struct EndpointOptions {
    /// An OpenAI-compatible endpoint, such as <http://127.0.0.1:8000/v1>. Its key is read from the
    /// environment variable `OPENAI_API_KEY`, where there is one.
    #[arg(long)]
    endpoint: Option<String>,
    /// The language model to ask for there; without an endpoint, a Hugging Face directory that is
    /// run here (Qwen2, Qwen3 or Llama 3).
    #[arg(long)]
    language_model: Option<String>,
    /// Requests under way at once.
    #[arg(long, requires = "endpoint", default_value_t = 16)]
    in_flight_max: usize,
    /// Seconds that one attempt has, from connecting to the last byte.
    #[arg(long, requires = "endpoint", default_value_t = ten_minutes())]
    timeout_s: NonZeroU64,
    /// Samples of one prompt asked for in one request, as choices (`n`). A server that gives fewer is
    /// asked for the others one by one.
    #[arg(long, requires = "endpoint", default_value_t = 1)]
    choices_max: usize,
    /// The server goes on with an answer that was begun, as vLLM and SGLang do: qalign, particles,
    /// rebase, ets and atts need it.
    #[arg(long, requires = "endpoint")]
    continues: bool,
    /// Asks for completions of plain texts (`/v1/completions`) instead of conversations: for base
    /// language models, and servers without a template. They go on with any answer.
    #[arg(long, requires = "endpoint")]
    completions: bool,
    /// A TOML file with several endpoints, each for a role: `[[generator]]`, `[[tester]]`,
    /// `[[judge]]`, `[[drafter]]` (the small language model of atts), with the keys `base_url`,
    /// `language_model`, `api_key_env`, `in_flight_max`, `requests_per_minute_max`, `timeout_s`,
    /// `choices_max`, `usd_per_million_in`, `usd_per_million_out`, `continues`,
    /// `completions`, `extra`.
    #[arg(long, conflicts_with = "endpoint")]
    endpoints: Option<PathBuf>,
    /// Recorded completions, which stand for samples of the generator in their order.
    #[arg(long, conflicts_with_all = ["endpoint", "endpoints"])]
    candidates: Option<PathBuf>,
    /// Draws the order of each problem's recorded completions by lot, seeded by this number.
    #[arg(long, value_name = "SEED", requires = "candidates")]
    pub(super) shuffle: Option<u64>,
}

/// The TOML file. Who is not named is the generator.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    generator: Vec<One>,
    #[serde(default)]
    tester: Vec<One>,
    #[serde(default)]
    judge: Vec<One>,
    #[serde(default)]
    drafter: Vec<One>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    base_url: String,
    language_model: String,
    #[serde(default)]
    api_key_env: Option<String>,
    #[serde(default = "sixteen")]
    in_flight_max: usize,
    #[serde(default)]
    requests_per_minute_max: Option<u32>,
    #[serde(default)]
    usd_per_million_in: Option<f64>,
    #[serde(default)]
    usd_per_million_out: Option<f64>,
    /// Time that one attempt has.
    #[serde(default = "ten_minutes")]
    timeout_s: NonZeroU64,
    /// Samples of one prompt in one request.
    #[serde(default = "one")]
    choices_max: usize,
    /// Whether it goes on with an answer that was begun.
    #[serde(default)]
    continues: bool,
    /// Whether it is asked for completions of plain texts.
    #[serde(default)]
    completions: bool,
    #[serde(default)]
    extra: serde_json::Map<String, serde_json::Value>,
}

fn one() -> usize {
    1
}

fn ten_minutes() -> NonZeroU64 {
    NonZeroU64::new(600).expect("it is not zero")
}

fn sixteen() -> usize {
    16
}

/// Who writes.
pub(super) enum Writers<'a> {
    /// Completions by problem, in their order.
    Recorded(BTreeMap<&'a str, Vec<Candidate>>),
    /// Language models.
    Asked(Box<Asked>),
}

/// Language models, and by role which of them answer.
pub(super) struct Asked {
    pub(super) voice: Voice,
    /// What answers are kept under, by language model.
    names: Vec<String>,
    /// Where each is asked; nothing for a decoder that is run here.
    urls: Vec<String>,
    /// What only one server knows, and shapes its answers.
    extras: Vec<serde_json::Map<String, serde_json::Value>>,
    routes: Vec<Route>,
    /// `None` where nobody said.
    prices: Vec<Option<Price>>,
    by_role: [Vec<usize>; 4],
    /// Whether there is a small language model beside the large one.
    has_drafter: bool,
    in_flight_max: Vec<usize>,
    choices_max: Vec<usize>,
    /// Whether each goes on with an answer that was begun.
    continues: Vec<bool>,
}

/// Where they run.
pub(super) enum Voice {
    /// Behind endpoints.
    Endpoints(Client),
    /// Here.
    Decoder(Box<Policy>),
}

/// Dollars per token.
#[derive(Clone, Copy, Default)]
pub(super) struct Price {
    read: f64,
    written: f64,
}

impl Price {
    /// What a sample costs.
    pub(super) fn cost(self, tokens_in: u64, tokens_out: u64) -> Cost {
        Cost {
            samples: 1,
            tokens_in,
            tokens_out,
            usd: tokens_in as f64 * self.read + tokens_out as f64 * self.written,
            ..Cost::default()
        }
    }
}

/// The place of a role.
fn place(role: Role) -> usize {
    match role {
        Role::Generator => 0,
        Role::Tester => 1,
        Role::Judge => 2,
        Role::Drafter => 3,
    }
}

impl Writers<'_> {
    /// The decoder that is run here, where there is one, for each thread that writes by itself.
    pub(super) fn decoders(&self) -> Vec<&Policy> {
        match self.asked().map(|asked| (&asked.voice, asked.in_flight_max[0])) {
            Some((Voice::Decoder(policy), writers)) => vec![policy; writers],
            Some((Voice::Endpoints(_), _)) | None => Vec::new(),
        }
    }

    /// The language models, where there are any.
    pub(super) fn asked(&self) -> Option<&Asked> {
        match self {
            Writers::Recorded(_) => None,
            Writers::Asked(asked) => Some(asked),
        }
    }

    /// How many requests of a role may be under way.
    pub(super) fn in_flight_max(&self, role: Role) -> usize {
        let of = |asked: &Asked| {
            asked.by_role[place(role)].iter().map(|&at| asked.in_flight_max[at]).sum()
        };
        self.asked().map_or(usize::MAX, of)
    }

    /// Whether there are those whom a method asks, those that write programs go on with what was
    /// begun where it wants that, and they have prices where money is bounded.
    ///
    /// # Errors
    /// Who is missing or does not, and what to do.
    pub(super) fn expect_for(&self, method: &Method, bounds_money: bool) -> Result<(), String> {
        if bounds_money {
            self.expect_prices()?;
        }
        if method.wants_drafter() && !self.asked().is_some_and(|asked| asked.has_drafter) {
            return Err(format!(
                "{method} has a small language model draft what a large one corrects: name both \
                 in --endpoints, as [[drafter]] and [[generator]]"
            ));
        }
        if !method.continues() {
            return Ok(());
        }
        let fail = |who: &str| {
            format!(
                "{method} goes on with answers that were begun, which {who}: give a decoder's \
                 directory as --language-model, or an endpoint that can (vLLM, SGLang) with \
                 --continues, or `continues = true` in --endpoints; with --completions all can"
            )
        };
        let Some(asked) = self.asked() else { return Err(fail("recorded completions cannot")) };
        let roles = match method.wants_drafter() {
            true => &[Role::Generator, Role::Drafter][..],
            false => &[Role::Generator],
        };
        let mut writers = roles.iter().flat_map(|role| &asked.by_role[place(*role)]);
        let cannot = writers.find(|&&at| !asked.continues[at]);
        cannot.map_or(Ok(()), |&at| Err(fail(&format!("{} is not said to", asked.names[at]))))
    }

    /// Whether everybody has a price.
    fn expect_prices(&self) -> Result<(), String> {
        let Some(asked) = self.asked() else { return Ok(()) };
        match asked.prices.iter().position(Option::is_none) {
            None => Ok(()),
            Some(at) => Err(format!(
                "money is to be bounded, and nobody says what {} costs: give \
                 usd_per_million_in and usd_per_million_out in --endpoints",
                asked.names[at]
            )),
        }
    }

    /// Whoever asks endpoints, where there are any.
    pub(super) fn client(&self) -> Option<&Client> {
        match &self.asked()?.voice {
            Voice::Endpoints(client) => Some(client),
            Voice::Decoder(_) => None,
        }
    }

    /// What a plan says of them.
    pub(super) fn described(&self) -> serde_json::Value {
        let Some(asked) = self.asked() else { return "recorded".into() };
        let one = |(at, name): (usize, &String)| {
            let mut told = serde_json::Map::new();
            if !asked.extras[at].is_empty() {
                told.insert("extra".to_owned(), asked.extras[at].clone().into());
            }
            match asked.routes[at] {
                Route::Chat if told.is_empty() => return name.clone().into(),
                Route::Chat => {}
                Route::Completions => _ = told.insert("completions".to_owned(), true.into()),
            }
            told.insert("name".to_owned(), name.clone().into());
            serde_json::Value::Object(told)
        };
        asked.names.iter().enumerate().map(one).collect()
    }
}

impl Asked {
    /// Which language model draws sample `index` in a role: several take turns.
    pub(super) fn which(&self, role: Role, index: u32) -> usize {
        let of_role = &self.by_role[place(role)];
        of_role[index as usize % of_role.len()]
    }

    /// Whether it is a decoder that is run here.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.voice, Voice::Decoder(_))
    }

    /// What the language models are called.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Where a language model is asked.
    pub(super) fn url(&self, which: usize) -> &str {
        &self.urls[which]
    }

    /// What only the server of a language model is told.
    pub(super) fn extra(&self, which: usize) -> &serde_json::Map<String, serde_json::Value> {
        &self.extras[which]
    }

    /// Whether a language model is told conversations or plain texts.
    pub(super) fn route(&self, which: usize) -> Route {
        self.routes[which]
    }

    /// What answers of a language model are kept under.
    pub(super) fn name(&self, which: usize) -> &str {
        &self.names[which]
    }

    /// How many samples of one prompt may go in one request to it.
    pub(super) fn choices_max(&self, which: usize) -> usize {
        self.choices_max[which]
    }

    pub(super) fn price(&self, which: usize) -> Price {
        self.prices[which].unwrap_or_default()
    }
}

impl EndpointOptions {
    /// Endpoints and nothing else: one with its language model, or a file of them.
    pub(super) fn only(
        (endpoint, language_model): (Option<String>, Option<String>),
        completions: bool,
        endpoints: Option<PathBuf>,
    ) -> EndpointOptions {
        EndpointOptions {
            endpoint,
            language_model,
            endpoints,
            in_flight_max: 1,
            timeout_s: ten_minutes(),
            choices_max: 1,
            continues: false,
            completions,
            candidates: None,
            shuffle: None,
        }
    }

    pub(super) fn open<'a>(&self, problems: &'a Problems) -> Result<Writers<'a>, Failure> {
        if let Some(path) = &self.candidates {
            let mut recorded: BTreeMap<&str, Vec<Candidate>> = BTreeMap::new();
            for entry in Joined::open(path, problems)? {
                let (problem, candidate): (_, Candidate) = entry?;
                recorded.entry(&problem.id).or_default().push(candidate);
            }
            if let Some(seed) = self.shuffle {
                for (id, own) in &mut recorded {
                    // By a hash of what is drawn: the place in the file does not matter.
                    own.sort_by_key(|one| derive(seed, &["shuffle", id, &one.index.to_string()]));
                }
            }
            return Ok(Writers::Recorded(recorded));
        }
        self.ask().map(|asked| Writers::Asked(Box::new(asked)))
    }

    /// Whether a language model is named.
    pub(super) fn asks_anybody(&self) -> bool {
        self.endpoint.is_some() || self.endpoints.is_some() || self.language_model.is_some()
    }

    /// The language models.
    pub(super) fn ask(&self) -> Result<Asked, Failure> {
        if let (None, None, Some(dir)) = (&self.endpoint, &self.endpoints, &self.language_model) {
            return decoder(Path::new(dir));
        }
        let file = self.file()?;
        let has_drafter = !file.drafter.is_empty();
        let groups = [file.generator, file.tester, file.judge, file.drafter];
        let mut all: Vec<One> = Vec::new();
        let mut by_role: [Vec<usize>; 4] = Default::default();
        for (role, group) in by_role.iter_mut().zip(groups) {
            role.extend(all.len()..all.len() + group.len());
            all.extend(group);
        }
        let generators = by_role[0].clone();
        by_role
            .iter_mut()
            .filter(|role| role.is_empty())
            .for_each(|role| role.clone_from(&generators));
        let endpoints = all.iter().map(endpoint).collect::<Result<_, _>>()?;
        let client = Client::new(endpoints)
            .map_err(|error| Failure::Input(anyhow::Error::new(error).context("the endpoints")))?;
        let price = |one: &One| {
            let (read, written) = (one.usd_per_million_in?, one.usd_per_million_out?);
            Some(Price { read: read / 1e6, written: written / 1e6 })
        };
        Ok(Asked {
            voice: Voice::Endpoints(client),
            names: all.iter().map(|one| one.language_model.clone()).collect(),
            urls: all.iter().map(|one| one.base_url.clone()).collect(),
            extras: all.iter().map(|one| one.extra.clone()).collect(),
            prices: all.iter().map(price).collect(),
            in_flight_max: all.iter().map(|one| one.in_flight_max).collect(),
            choices_max: all.iter().map(|one| one.choices_max).collect(),
            continues: all.iter().map(|one| one.continues || one.completions).collect(),
            routes: all.iter().map(route).collect(),
            by_role,
            has_drafter,
        })
    }

    fn file(&self) -> Result<File, Failure> {
        if let Some(path) = &self.endpoints {
            let text = fs::read_to_string(path).map_err(|error| {
                Failure::input(format!("cannot read {}: {error}", path.display()))
            })?;
            let file: File = toml::from_str(&text)
                .map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
            if file.generator.is_empty() {
                return Err(Failure::input(format!("{} names no generator", path.display())));
            }
            return Ok(file);
        }
        let Some(base_url) = self.endpoint.clone() else {
            return Err(Failure::input(
                "nobody to write programs: give --endpoint with --language-model, --endpoints, a \
                 directory as --language-model, or recorded completions with --candidates",
            ));
        };
        let Some(language_model) = self.language_model.clone() else {
            return Err(Failure::input("--endpoint wants --language-model: which one to ask for"));
        };
        let one = One {
            base_url,
            language_model,
            api_key_env: std::env::var_os("OPENAI_API_KEY").map(|_| "OPENAI_API_KEY".to_owned()),
            in_flight_max: self.in_flight_max,
            requests_per_minute_max: None,
            usd_per_million_in: None,
            usd_per_million_out: None,
            timeout_s: self.timeout_s,
            choices_max: self.choices_max,
            continues: self.continues,
            completions: self.completions,
            extra: serde_json::Map::new(),
        };
        Ok(File {
            generator: vec![one],
            tester: Vec::new(),
            judge: Vec::new(),
            drafter: Vec::new(),
        })
    }
}

/// A decoder of our own.
fn decoder(dir: &Path) -> Result<Asked, Failure> {
    let mut hasher = blake3::Hasher::new();
    let mut hash = |bytes: &[u8]| {
        hasher.update(bytes);
    };
    let mut options = codescaler_nn::Options::default();
    let mut writers = 1;
    if fs::metadata(dir.join("model.safetensors")).is_ok_and(|file| file.len() < SMALL_BYTES) {
        writers = std::mem::replace(&mut options.threads, NonZeroUsize::MIN).get();
    }
    let policy = Policy::load(dir, &options)
        .and_then(|policy| codescaler_nn::identify(dir, &mut hash).map(|()| policy))
        .with_context(|| format!("{} is no usable language model", dir.display()))
        .map_err(Failure::Input)?;
    Ok(Asked {
        voice: Voice::Decoder(Box::new(policy)),
        names: vec![hasher.finalize().to_hex()[..32].to_owned()],
        urls: vec![String::new()],
        extras: vec![serde_json::Map::new()],
        prices: vec![Some(Price::default())],
        by_role: Role::ALL.map(|_| vec![0]),
        has_drafter: false,
        in_flight_max: vec![writers],
        choices_max: vec![1],
        continues: vec![true],
        routes: vec![Route::Chat],
    })
}

/// Threads that share the work of a decoder with smaller weights wait for each other more than they
/// work: each writes on its own instead. What is written does not depend on it.
const SMALL_BYTES: u64 = 200 << 20;

fn route(one: &One) -> Route {
    if one.completions { Route::Completions } else { Route::Chat }
}

fn endpoint(one: &One) -> Result<Endpoint, Failure> {
    let api_key = match &one.api_key_env {
        None => None,
        Some(name) => match std::env::var_os(name).map(std::ffi::OsString::into_string) {
            Some(Ok(key)) => Some(ApiKey::new(key)),
            Some(Err(_)) => return Err(Failure::input(format!("${name} is not UTF-8"))),
            None => {
                return Err(Failure::input(format!(
                    "{}: the environment has no {name}, which is to hold the key",
                    one.base_url
                )));
            }
        },
    };
    Ok(Endpoint {
        api_key,
        route: route(one),
        in_flight_max: one.in_flight_max,
        requests_per_minute_max: one.requests_per_minute_max,
        timeout_ms: one.timeout_s.get().saturating_mul(1000),
        extra: one.extra.clone(),
        ..Endpoint::new(&one.base_url, &one.language_model)
    })
}
