//! Listening, accepting, and stopping without losing anything.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Builder,
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};
use tokio_rustls::TlsAcceptor;

use crate::server::{
    App, Backend, ServerOptions, Shared, body::PIECE_BYTES, desk::Desk, metrics::Metrics,
    queue::Bounds, routes, tls, traces::Traces,
};

/// How often a server looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// A server that is bound to its address, and takes connections from now on.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    shared: Shared,
}

/// Why there is no server.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("{path}: {what}")]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The collector of spans cannot be asked.
    #[error("the collector of spans, {collector}: {what}")]
    Traces {
        /// Its address.
        collector: String,
        /// What is wrong with it.
        what: String,
    },
    /// The machine gives no thread.
    #[error("cannot start the threads of the server")]
    Thread(#[source] io::Error),
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// When the address, a certificate or a thread cannot be had.
    pub fn bind(options: ServerOptions, backend: Arc<dyn Backend>) -> Result<Server, ServerError> {
        // A process has one provider of cryptography; one that is there already will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pair = options.tls.as_ref().map(|(chain, key)| (chain.as_path(), key.as_path()));
        let acceptor = pair.map(tls::acceptor).transpose()?;
        let fail = |source| ServerError::Bind { address: options.bind, source };
        let listener = TcpListener::bind(options.bind).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let metrics = Arc::new(Metrics::new());
        let bounds = options.bounds;
        let queue = Bounds { items_max: bounds.queue_items_max, bytes_max: bounds.queue_bytes_max };
        let desk = Desk::open(Arc::clone(&backend), Arc::clone(&metrics), queue)
            .map_err(ServerError::Thread)?;
        let about = backend.about();
        let shared = Arc::new(App {
            desk,
            metrics,
            bounds,
            token: options.token,
            traces: options.traces.as_deref().map(Traces::new).transpose()?,
            clock: options.clock,
            bodies: Arc::new(Semaphore::new(bounds.bodies_bytes_max.div_ceil(PIECE_BYTES))),
            slots: Arc::new(Semaphore::new(about.slots.max(1))),
            chats: Arc::new(Semaphore::new(about.chats.max(1))),
            pages: Semaphore::new(1),
            is_draining: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            backend,
        });
        Ok(Server { listener, address, acceptor, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `is_stopped`, then takes no more connections, lets requests that are under way
    /// finish, as long as its bounds allow, and returns.
    ///
    /// # Errors
    /// When the machine gives no thread.
    pub fn run(self, is_stopped: &dyn Fn() -> bool) -> Result<(), ServerError> {
        let about = self.shared.backend.about();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(about.slots.max(1) + about.chats.max(1) + 3)
            .thread_name("http")
            .enable_io()
            .enable_time()
            .build()
            .map_err(ServerError::Thread)?;
        let shared = Arc::clone(&self.shared);
        runtime.block_on(self.serve(is_stopped));
        shared.desk.close();
        if let Some(traces) = &shared.traces {
            traces.stop();
        }
        runtime.shutdown_timeout(Duration::from_secs(1));
        Ok(())
    }

    async fn serve(self, is_stopped: &dyn Fn() -> bool) {
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the listener cannot be used");
                return;
            }
        };
        let router = routes::router(Arc::clone(&self.shared));
        let bounds = self.shared.bounds;
        let room = Arc::new(Semaphore::new(bounds.connections_max));
        let graceful = GracefulShutdown::new();
        let mut look = time::interval(LOOK);
        loop {
            let accept = async {
                let permit = Arc::clone(&room).acquire_owned().await;
                (permit.expect("nobody closes the semaphore"), listener.accept().await)
            };
            tokio::select! {
                (permit, accepted) = accept => match accepted {
                    Ok((stream, _)) => {
                        let connection = Connection {
                            shared: Arc::clone(&self.shared),
                            router: router.clone(),
                            acceptor: self.acceptor.clone(),
                            _permit: permit,
                        };
                        tokio::spawn(connection.talk(stream, graceful.watcher()));
                    }
                    // Too many open files, mostly: those who are in will leave.
                    Err(error) => {
                        tracing::warn!(%error, "a connection cannot be accepted");
                        time::sleep(LOOK).await;
                    }
                },
                _ = look.tick() => if is_stopped() { break },
            }
        }
        self.shared.is_draining.store(true, Ordering::Relaxed);
        drop(listener);
        tracing::info!("no more connections are taken; finishing what is under way");
        if time::timeout(bounds.drain_timeout, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests were not finished in time");
        }
    }
}

/// One client's connection.
struct Connection {
    shared: Shared,
    router: Router,
    acceptor: Option<TlsAcceptor>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn talk(self, stream: TcpStream, watcher: hyper_util::server::graceful::Watcher) {
        // An answer is one small packet: waiting for more helps nobody.
        let _ = stream.set_nodelay(true);
        self.shared.metrics.connected(1);
        match &self.acceptor {
            None => self.answer(stream, watcher).await,
            Some(acceptor) => {
                let hello = time::timeout(self.shared.bounds.head_timeout, acceptor.accept(stream));
                match hello.await {
                    Ok(Ok(stream)) => self.answer(stream, watcher).await,
                    Ok(Err(error)) => tracing::debug!(%error, "no encryption"),
                    Err(_) => tracing::debug!("encryption took too long"),
                }
            }
        }
        self.shared.metrics.connected(-1);
    }

    async fn answer(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        let service = TowerToHyperService::new(self.router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.shared.bounds.head_timeout)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}
