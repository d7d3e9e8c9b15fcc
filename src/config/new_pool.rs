//! The file of a new pool, as `pyfcgid new` writes it.

use std::path::{Path, PathBuf};

use super::file::{self, File, check_pool_name};
use super::{AppSource, Config, Error, Item, Layer, ListenAddress, Origin, Pool, Setting, ValueError};
use shared::sys::identity::{Identity, user_id};

/// A pool that is to get a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPool {
    /// As it would be served. Its name is one that a file may have.
    pool: Pool,
}

impl NewPool {
    /// The options that its file sets.
    pub const KEYS: [&str; 8] = ["app", "chdir", "venv", "user", "listen", "socket-group", "processes", "threads"];

    /// A pool with these values of the command line, and what usually fits on this machine for the others.
    ///
    /// # Errors
    /// For a value that is none.
    pub fn new(name: &str, flags: &Layer) -> Result<Self, Error> {
        let is_there = |user: &str| user_id(user).is_ok();
        let web_server = WEB_SERVERS.into_iter().find(|user| is_there(user)).unwrap_or(WEB_SERVERS[0]);
        Self::for_web_server(name, flags, Identity::current().is_root().then_some(web_server))
    }

    /// `user` is the web server's, if pyfcgid may have other users than its own: then it serves in places of root.
    fn for_web_server(name: &str, flags: &Layer, user: Option<&str>) -> Result<Self, Error> {
        let mut layer = flags.clone();
        let mut propose = |key, text: &str| {
            layer.entry(key).or_insert_with(|| vec![item(text)]);
        };
        propose("app", &format!("/srv/{name}/wsgi.py"));
        propose("processes", "2");
        match user {
            Some(user) => {
                propose("user", user);
                propose("listen", &format!("unix:/run/pyfcgid/{name}.sock"));
                propose("socket-group", user);
            }
            None => propose("listen", OPEN_TO_ALL),
        }
        let mut pool = load(&layer)?;
        if !layer.contains_key("chdir") {
            // What is relative to the current directory must not become relative to that one.
            let directory = match &pool.app.source {
                AppSource::File(path) => path.parent().map_or_else(String::new, |parent| parent.display().to_string()),
                AppSource::Module(_) => format!("/srv/{name}"),
            };
            layer.extend([("app", vec![item(&pool.app.to_string())]), ("chdir", vec![item(&directory)])]);
            pool = load(&layer)?;
        }
        Ok(Self { pool: Pool { name: name.to_owned(), ..pool } })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.pool.name
    }

    /// Where it listens first.
    pub fn address(&self) -> Option<&ListenAddress> {
        self.pool.listen.first()
    }

    /// Which names a pool may have that is to get a file of its own.
    ///
    /// # Errors
    /// What is allowed, for any other.
    pub fn check_name(name: &str) -> Result<(), ValueError> {
        check_pool_name(name)?;
        match name.chars().next() {
            Some('.') => Err(ValueError::new("its file would be hidden: start it with a letter or a digit")),
            Some('-') => Err(ValueError::new("commands would take it for an option: start it with a letter or a digit")),
            _ => Ok(()),
        }
    }

    /// The file, which is read as this pool again.
    pub fn text(&self) -> String {
        let key = file::quote_key(self.name());
        let mut text = format!("{START}\n[pool.{key}]\n").replace("NAME", self.name());
        for (key, comment) in Self::KEYS.into_iter().zip(COMMENTS) {
            text += &format!("{comment}{}\n", self.line(key));
        }
        text + &END.replace("KEY", &key).replace("NAME", self.name())
    }

    /// What it needs and is not there, each as a part of a sentence.
    pub fn missing(&self) -> Vec<String> {
        let app = match &self.pool.app.source {
            AppSource::File(path) => Some(path.as_path()),
            AppSource::Module(_) => None,
        };
        let places = [("app", app), ("chdir", self.pool.chdir.as_deref()), ("venv", self.pool.venv.as_deref())];
        let places = places.into_iter().filter_map(|(key, path)| Some((key, path.filter(|path| !path.exists())?)));
        let places = places.map(|(key, path)| format!("{key} {}", path.display()));
        let user = self.pool.user.as_deref().filter(|user| user_id(user).is_err());
        places.chain(user.map(|user| format!("user {user}"))).collect()
    }

    fn line(&self, key: &str) -> String {
        let setting = Setting::named(key).expect("KEYS are options");
        let usual = || match (key, &self.pool.chdir) {
            ("user" | "socket-group", _) => WEB_SERVERS[0].to_owned(),
            (_, Some(directory)) => format!("{}/{key}", directory.display()),
            (_, None) => String::new(),
        };
        file::assignment(setting, &self.pool.shown(setting)).unwrap_or_else(|| format!("# {key} = {}", file::quote(&usual())))
    }

    /// Where its file is to be, so that the configuration in `main` includes it.
    ///
    /// # Errors
    /// When that cannot be read, includes no file of that name, or has a pool of that name already.
    pub fn place(&self, main: &Path) -> Result<PathBuf, Error> {
        let file = File::read(main)?;
        if let Some(there) = file.pools.iter().find(|table| table.name.as_deref() == Some(self.name())) {
            let origin = there.origin.clone().unwrap_or(Origin::Default);
            let fault = "already exists: change that one, or choose another name";
            return Err(Error::Pool { name: self.name().to_owned(), origin, fault });
        }
        let name = format!("{}.toml", self.name());
        file.place_of(&name).ok_or_else(|| Error::NotIncluded { path: main.to_owned(), name })
    }
}

fn load(layer: &Layer) -> Result<Pool, Error> {
    let config = Config::load(layer, &|_| None, None)?;
    config.pools.into_iter().next().ok_or(Error::NoApp { file: None })
}

fn item(text: &str) -> Item {
    Item { text: text.to_owned(), origin: Origin::Flag }
}

/// The users that web servers have, one for each family of distributions; their groups are called the same.
const WEB_SERVERS: [&str; 4] = ["www-data", "nginx", "apache", "http"];
/// Without root no socket can be given to a web server's group; every user of the machine may connect to this one.
const OPEN_TO_ALL: &str = "127.0.0.1:9000";
const START: &str = "\
# The pool NAME of pyfcgid. All keys are in pyfcgid.toml(5); `pyfcgid check` shows what is wrong and prints the effective values.
";
/// Before each of [`NewPool::KEYS`].
const COMMENTS: [&str; NewPool::KEYS.len()] = [
    "# The application: a file, or a module with its callable, as in \"shop.wsgi:application\" or \"shop:create_app()\".\n",
    "# The directory it runs in, where Python finds its modules.\n",
    "# The virtual environment with its packages. Without one, the system's python3 runs it.\n",
    "\n# The user it runs as: ideally its own, who can read the code and write only what it must.\n",
    "\n# Where the web server connects, and the group that may: the web server's.\n",
    "",
    "\n# Processes, as in 4 or \"2..8\", and concurrent requests in each of them.\n",
    "",
];
const END: &str = "\n\
# Other common settings:
# max-body-size = \"20M\"            # the largest upload
# max-requests = 10000             # after which a process is replaced
# ping-path = \"/ping\"              # answered without the application, for a load balancer
# status-path = \"/status\"          # what the pool is doing, for administrators: see docs/operating.md
# env-file = \"/etc/pyfcgid/NAME.env\"  # secrets, one VARIABLE=VALUE per line; mode 0640

# Under systemd the application can write only to /run/pyfcgid, /var/log/pyfcgid and /tmp. `systemctl edit pyfcgid` with
# ReadWritePaths= under [Service] adds other directories, and takes effect at a restart.

# Environment variables:
# [pool.KEY.env]
# DJANGO_SETTINGS_MODULE = \"NAME.settings\"
";

#[cfg(test)]
mod tests;
