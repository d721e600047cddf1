//! Who answers prompts: language models behind endpoints, or completions that were recorded.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::Args;
use codescaler::candidate::Candidate;
use codescaler_http::{ApiKey, Client, Endpoint};
use codescaler_search::{Cost, Role};
use serde::Deserialize;

use crate::{
    failure::Failure,
    files::{Joined, Problems},
};

/// Where completions come from.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Language models")]
pub(crate) struct EndpointOptions {
    /// An OpenAI-compatible endpoint, such as <http://127.0.0.1:8000/v1>. Its key is read from the
    /// environment variable `OPENAI_API_KEY`, where there is one.
    #[arg(long)]
    endpoint: Option<String>,
    /// The language model to ask for there.
    #[arg(long, requires = "endpoint")]
    language_model: Option<String>,
    /// Requests under way at once.
    #[arg(long, requires = "endpoint", default_value_t = 16)]
    in_flight_max: usize,
    /// A TOML file with several endpoints, each for a role: `[[generator]]`, `[[tester]]`,
    /// `[[judge]]`, with the keys `base_url`, `language_model`, `api_key_env`, `in_flight_max`,
    /// `requests_per_minute_max`, `usd_per_million_in`, `usd_per_million_out`, `extra`.
    #[arg(long, conflicts_with = "endpoint")]
    endpoints: Option<PathBuf>,
    /// Recorded completions, which stand for samples of the generator in their order.
    #[arg(long, conflicts_with_all = ["endpoint", "endpoints"])]
    candidates: Option<PathBuf>,
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
    usd_per_million_in: f64,
    #[serde(default)]
    usd_per_million_out: f64,
    #[serde(default)]
    extra: serde_json::Map<String, serde_json::Value>,
}

fn sixteen() -> usize {
    16
}

/// Who writes.
pub(super) enum Writers<'a> {
    /// Completions by problem, in their order.
    Recorded(BTreeMap<&'a str, Vec<Candidate>>),
    /// Endpoints, and by role which of them.
    Asked {
        client: Client,
        /// Language models by endpoint, as the wire names them.
        names: Vec<String>,
        prices: Vec<Price>,
        by_role: [Vec<usize>; 3],
        in_flight_max: Vec<usize>,
    },
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
    }
}

impl Writers<'_> {
    /// Which endpoint draws sample `index` in a role: several take turns.
    pub(super) fn endpoint(&self, role: Role, index: u32) -> Option<usize> {
        match self {
            Writers::Recorded(_) => None,
            Writers::Asked { by_role, .. } => {
                let endpoints = &by_role[place(role)];
                Some(endpoints[index as usize % endpoints.len()])
            }
        }
    }

    /// How many requests of a role may be under way.
    pub(super) fn in_flight_max(&self, role: Role) -> usize {
        match self {
            Writers::Recorded(_) => usize::MAX,
            Writers::Asked { by_role, in_flight_max, .. } => {
                by_role[place(role)].iter().map(|&at| in_flight_max[at]).sum()
            }
        }
    }

    /// The name that answers of an endpoint are kept under.
    pub(super) fn name(&self, endpoint: usize) -> &str {
        match self {
            Writers::Recorded(_) => "",
            Writers::Asked { names, .. } => &names[endpoint],
        }
    }

    pub(super) fn price(&self, endpoint: usize) -> Price {
        match self {
            Writers::Recorded(_) => Price::default(),
            Writers::Asked { prices, .. } => prices[endpoint],
        }
    }

    pub(super) fn client(&self) -> Option<&Client> {
        match self {
            Writers::Recorded(_) => None,
            Writers::Asked { client, .. } => Some(client),
        }
    }

    /// What a plan says of them.
    pub(super) fn described(&self) -> serde_json::Value {
        match self {
            Writers::Recorded(_) => "recorded".into(),
            Writers::Asked { names, .. } => names.clone().into(),
        }
    }
}

impl EndpointOptions {
    pub(super) fn open<'a>(&self, problems: &'a Problems) -> Result<Writers<'a>, Failure> {
        if let Some(path) = &self.candidates {
            let mut recorded: BTreeMap<&str, Vec<Candidate>> = BTreeMap::new();
            for entry in Joined::open(path, problems)? {
                let (problem, candidate): (_, Candidate) = entry?;
                recorded.entry(&problem.id).or_default().push(candidate);
            }
            return Ok(Writers::Recorded(recorded));
        }
        let file = self.file()?;
        let groups = [file.generator, file.tester, file.judge];
        let mut all: Vec<One> = Vec::new();
        let mut by_role: [Vec<usize>; 3] = Default::default();
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
        let price = |one: &One| Price {
            read: one.usd_per_million_in / 1e6,
            written: one.usd_per_million_out / 1e6,
        };
        Ok(Writers::Asked {
            client,
            names: all.iter().map(|one| one.language_model.clone()).collect(),
            prices: all.iter().map(price).collect(),
            in_flight_max: all.iter().map(|one| one.in_flight_max).collect(),
            by_role,
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
                "nobody to write programs: give --endpoint with --language-model, --endpoints, or \
                 recorded completions with --candidates",
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
            usd_per_million_in: 0.0,
            usd_per_million_out: 0.0,
            extra: serde_json::Map::new(),
        };
        Ok(File { generator: vec![one], tester: Vec::new(), judge: Vec::new() })
    }
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
        in_flight_max: one.in_flight_max,
        requests_per_minute_max: one.requests_per_minute_max,
        extra: one.extra.clone(),
        ..Endpoint::new(&one.base_url, &one.language_model)
    })
}
