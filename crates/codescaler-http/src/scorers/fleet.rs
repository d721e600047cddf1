//! Workers together: who is asked, who leaves and comes back, and what they are.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64, mpsc::Sender},
    time::Duration,
};

use codescaler::{language::Language, problem::Problem, prompt::reward_prompt};
use tokio::time;

use crate::{
    chat::{ChatMessage, Role},
    scorers::{
        Render, ScorersError,
        cache::Cache,
        protocol::{Form, Protocol, Reading},
        rotation::Rotation,
        worker::{Failed, Found, Site},
    },
    server::{Judgement, Outcome},
};

pub(super) struct Fleet {
    pub(super) sites: Vec<Site>,
    pub(super) rotation: Arc<Rotation>,
    /// What each was found to be, when it came into rotation.
    pub(super) found: Mutex<Vec<Option<Found>>>,
    pub(super) cache: Mutex<Cache>,
    pub(super) cached: AtomicU64,
    pub(super) told: Option<Protocol>,
    pub(super) render: Option<Render>,
    pub(super) attempts_max: usize,
    pub(super) health_every: Duration,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A reading under its name.
pub(super) struct Asked {
    pub(super) key: [u8; 32],
    pub(super) reading: Reading,
}

impl Fleet {
    /// Asks of one worker after the other until everything is judged, or nobody is left to ask.
    pub(super) async fn answer(
        self: Arc<Self>,
        form: Option<Form>,
        mut left: Vec<Asked>,
        out: Sender<([u8; 32], Judgement)>,
    ) {
        // Nobody listens any more when the work was let go of.
        let say = |asked: &Asked, outcome| drop(out.send((asked.key, Judgement::of(outcome))));
        let (mut tried, mut why) = (Vec::new(), "it cannot be sent in this protocol".to_owned());
        while let Some(form) = form.filter(|_| tried.len() < self.attempts_max) {
            let tokens = left.iter().map(|asked| asked.reading.tokens()).sum();
            let lease = match self.rotation.lease(tokens, &tried).await {
                Ok(lease) => lease,
                Err(fault) => {
                    why = format!("no remote scorer is in rotation: {fault}");
                    break;
                }
            };
            let at = lease.worker;
            let found = lock(&self.found)[at].clone().expect("who is in rotation was found");
            let readings: Vec<&Reading> = left.iter().map(|asked| &asked.reading).collect();
            let asked = self.sites[at].ask(&found, (form, &readings)).await;
            drop(lease);
            match asked {
                Ok(reads) => {
                    self.rotation.lock()[at].answered += 1;
                    let mut again = Vec::new();
                    for (asked, read) in left.drain(..).zip(reads) {
                        match read {
                            Ok(judgement) => drop(out.send((asked.key, judgement))),
                            Err(fault) => {
                                why = format!("{}: {fault}", self.sites[at].name());
                                again.push(asked);
                            }
                        }
                    }
                    left = again;
                    if left.is_empty() {
                        return;
                    }
                    tried.push(at);
                }
                Err(Failed::Busy(wait)) => self.rotation.pause(at, wait),
                Err(Failed::Broken(fault)) => {
                    why = format!("{}: {fault}", self.sites[at].name());
                    self.leaves(at, fault);
                    tried.push(at);
                }
                // One that is refused must not take the others with it.
                Err(Failed::Refused { .. }) if left.len() > 1 => {
                    for one in left {
                        let alone = Arc::clone(&self).answer(Some(form), vec![one], out.clone());
                        Box::pin(alone).await;
                    }
                    return;
                }
                Err(Failed::Refused { is_too_long: true, message }) => {
                    left.iter().for_each(|asked| say(asked, Outcome::TooLong(message.clone())));
                    return;
                }
                Err(Failed::Refused { is_too_long: false, message }) => {
                    why = format!("{}: {message}", self.sites[at].name());
                    break;
                }
            }
        }
        left.iter().for_each(|asked| say(asked, Outcome::Fault(why.clone())));
    }

    fn leaves(&self, at: usize, fault: String) {
        tracing::warn!(
            scorer = self.sites[at].name(),
            fault,
            "a remote scorer leaves the rotation"
        );
        self.rotation.lock()[at].failed += 1;
        self.rotation.set(at, Some(fault));
    }

    fn comes(&self, at: usize, found: Found) {
        lock(&self.found)[at] = Some(found);
        self.rotation.set(at, None);
    }

    pub(super) fn program(
        &self,
        protocol: Protocol,
        problem: &Arc<Problem>,
        program: &str,
    ) -> Result<Reading, String> {
        if protocol.takes_programs() {
            return Ok(Reading::Program {
                problem: Arc::clone(problem),
                program: program.to_owned(),
            });
        }
        let turn = |role, content| ChatMessage { role, content };
        let asked = turn(Role::User, reward_prompt(problem));
        self.conversation(protocol, vec![asked, turn(Role::Assistant, program.to_owned())])
    }

    pub(super) fn conversation(
        &self,
        protocol: Protocol,
        turns: Vec<ChatMessage>,
    ) -> Result<Reading, String> {
        match &self.render {
            Some(render) => {
                // The template writes all special tokens itself.
                Ok(Reading::Text { text: render(&turns)?, add_special_tokens: false })
            }
            None if protocol.takes_turns() => Ok(Reading::Turns(turns)),
            None => Err(ScorersError::NoTemplate(protocol).to_string()),
        }
    }

    /// A program that answers a problem, and one that does not.
    fn probes(&self, protocol: Protocol) -> Result<[Reading; 2], String> {
        let statement = "Read an integer n and print n + 1.".to_owned();
        let problem = Problem::asked("probe".to_owned(), statement, Language::Python);
        let problem = Arc::new(problem);
        let useless = "import sys\n\nsys.exit('I do not know how to do that.')\n";
        Ok([
            self.program(protocol, &problem, "print(int(input()) + 1)\n")?,
            self.program(protocol, &problem, useless)?,
        ])
    }

    /// What they are, and the scores of the probes that all of them give.
    pub(super) async fn meet(&self) -> Result<(Found, [f32; 2]), ScorersError> {
        let mut met: Option<(usize, Found, [f32; 2])> = None;
        let mut faults = Vec::new();
        for (at, site) in self.sites.iter().enumerate() {
            let url = site.name();
            let asked = async {
                let found = site.detect(self.told).await?;
                let protocol = found.protocol;
                if self.render.is_none() && !protocol.takes_turns() {
                    return Ok(Err(ScorersError::NoTemplate(protocol)));
                }
                let scores = site.probe(&found, &self.probes(protocol)?).await?;
                Ok::<_, String>(Ok((found, scores)))
            };
            let (found, scores) = match asked.await {
                Ok(asked) => asked?,
                Err(fault) => {
                    faults.push(format!("{url}: {fault}"));
                    self.leaves(at, fault);
                    continue;
                }
            };
            if scores[0] == scores[1] {
                return Err(ScorersError::Constant { url, score: scores[0] });
            }
            if let Some((first, other, others)) = &met {
                let other_url = self.sites[*first].name();
                if other.protocol != found.protocol {
                    let (protocol, other) = (found.protocol, other.protocol);
                    return Err(ScorersError::Protocols { url, protocol, other_url, other });
                }
                if let Some((score, other)) = difference(scores, *others) {
                    return Err(ScorersError::Scores { url, score, other_url, other });
                }
            } else {
                met = Some((at, found.clone(), scores));
            }
            self.comes(at, found);
        }
        let (_, found, scores) = met.ok_or_else(|| ScorersError::Nobody(faults.join("; ")))?;
        Ok((found, scores))
    }

    /// Looks at a worker's health from time to time.
    pub(super) async fn watch(self: Arc<Self>, at: usize, protocol: Protocol, scores: [f32; 2]) {
        let site = &self.sites[at];
        loop {
            time::sleep(self.health_every).await;
            let is_in = self.rotation.lock()[at].fault.is_none();
            let healthy = site.is_healthy().await;
            match (is_in, healthy) {
                (true, Ok(())) => {}
                (true, Err(fault)) => self.leaves(at, fault),
                (false, Err(fault)) => self.rotation.set(at, Some(fault)),
                (false, Ok(())) => match self.returns(site, protocol, scores).await {
                    Ok(found) => {
                        tracing::warn!(scorer = site.name(), "a remote scorer is back in rotation");
                        self.comes(at, found);
                    }
                    Err(fault) => self.rotation.set(at, Some(fault)),
                },
            }
        }
    }

    /// Whether a worker that was out still is what the others are.
    async fn returns(
        &self,
        site: &Site,
        protocol: Protocol,
        scores: [f32; 2],
    ) -> Result<Found, String> {
        let found = site.detect(self.told).await?;
        if found.protocol != protocol {
            return Err(format!("it speaks {}", found.protocol.name()));
        }
        let now = site.probe(&found, &self.probes(protocol)?).await?;
        match difference(now, scores) {
            None => Ok(found),
            Some((score, other)) => {
                Err(format!("it gives a small program the score {score}, the others {other}"))
            }
        }
    }
}

/// Two scores that are further apart than rounding in bfloat16 on different machines explains.
fn difference(a: [f32; 2], b: [f32; 2]) -> Option<(f32, f32)> {
    a.into_iter().zip(b).find(|(a, b)| (a - b).abs() > 0.25 + 0.02 * a.abs())
}
