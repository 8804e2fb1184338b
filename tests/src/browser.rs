//! Chromium, driven through its WebDriver, for what only a real browser shows.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};
use thirtyfour::ChromeCapabilities;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::stack::fresh_directory;

const STARTED_WITHIN: Duration = Duration::from_secs(30);
/// How long to look for what a page should show.
const SHOWN_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A browser with a profile of its own. All its processes end when it is dropped.
pub struct Browser {
    /// `None` once it was closed.
    driver: Option<WebDriver>,
    _chromedriver: Child,
    /// Kept open, so that a line that it writes later does not end it.
    output: Lines<BufReader<ChildStdout>>,
    /// Of the WebDriver and of Chromium, which it starts.
    group: Pid,
    profile: PathBuf,
}

impl Browser {
    pub async fn start() -> Self {
        let mut chromedriver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is installed: tests/run does that");
        let pid = chromedriver.id().expect("it runs");
        let output = chromedriver.stdout.take().expect("a pipe");
        let mut browser = Self {
            driver: None,
            _chromedriver: chromedriver,
            output: BufReader::new(output).lines(),
            group: Pid::from_raw(i32::try_from(pid).expect("a pid")),
            profile: fresh_directory(),
        };
        let port = tokio::time::timeout(STARTED_WITHIN, browser.announced_port());
        let url = format!(
            "http://127.0.0.1:{}",
            port.await.expect("it starts in time")
        );
        let driver = WebDriver::new(url, browser.capabilities());
        browser.driver = Some(driver.await.expect("Chromium starts"));
        browser
    }

    /// It takes a free port and says which.
    async fn announced_port(&mut self) -> u16 {
        while let Some(line) = self.output.next_line().await.expect("a pipe") {
            let port = line.split_once("successfully on port ");
            if let Some((_, port)) = port {
                return port.trim_end_matches('.').parse().expect("a port");
            }
        }
        panic!("chromedriver ended while starting");
    }

    fn capabilities(&self) -> ChromeCapabilities {
        let profile = format!("--user-data-dir={}", self.profile.display());
        let mut arguments = vec![
            "--headless=new",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--window-size=1280,1000",
            &profile,
        ];
        // Chromium's sandbox does not work for root.
        if geteuid().is_root() {
            arguments.push("--no-sandbox");
        }
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in arguments {
            capabilities.add_arg(argument).expect("an argument");
        }
        capabilities
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("it is open")
    }

    pub async fn open(&self, url: &str) {
        self.driver().goto(url).await.expect("the page loads");
    }

    /// From now on, the browser has a device that makes passkeys and answers at once, as if its
    /// owner had touched it (Web Authentication, level 3, section 11).
    pub async fn have_authenticator(&self) {
        let cdp = self.driver().cdp();
        let empty = serde_json::json!({});
        let enabled = cdp.send_raw("WebAuthn.enable", empty).await;
        enabled.expect("a browser with passkeys");
        let options = serde_json::json!({ "options": {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": true,
            "automaticPresenceSimulation": true,
        }});
        let added = cdp
            .send_raw("WebAuthn.addVirtualAuthenticator", options)
            .await;
        added.expect("an authenticator");
    }

    /// The whole address of the page.
    pub async fn url(&self) -> String {
        let url = self.driver().current_url().await.expect("a page");
        url.to_string()
    }

    /// Waits until the page is at this path, where a script leads on.
    pub async fn arrive(&self, path: &str) {
        let arrived = async || (self.path().await == path).then_some(());
        crate::wait::until(path, SHOWN_WITHIN, arrived).await;
    }

    /// The path of the page.
    pub async fn path(&self) -> String {
        let url = self.driver().current_url().await.expect("a page");
        url.path().to_owned()
    }

    /// The page as it stands.
    pub async fn html(&self) -> String {
        self.driver().source().await.expect("a page")
    }

    /// Types into the field with this name.
    pub async fn fill(&self, name: &str, text: &str) {
        let field = self.find(By::Name(name)).await;
        field.clear().await.expect("an empty field");
        field.send_keys(text).await.expect("it takes keys");
    }

    /// Presses a button and waits for the page that comes of it.
    pub async fn press(&self, label: &str) {
        let button = format!("//button[normalize-space()='{label}']");
        self.leave_by(By::XPath(button)).await;
    }

    /// Presses a button, unless the page leads on by itself first.
    pub async fn press_or_arrive(&self, label: &str, path: &str) {
        let button = format!("//button[normalize-space()='{label}']");
        if let Ok(button) = self.driver().find(By::XPath(button)).await {
            // It may be gone with its page.
            let _ = button.click().await;
        }
        self.arrive(path).await;
    }

    /// Follows a link and waits for its page.
    pub async fn follow(&self, label: &str) {
        let link = format!("//a[normalize-space()='{label}']");
        self.leave_by(By::XPath(link)).await;
    }

    /// Opens a menu or whatever else changes the page without leaving it.
    pub async fn click(&self, css: &str) {
        let element = self.find(By::Css(css)).await;
        element.click().await.expect("it can be clicked");
    }

    /// Ticks the option with this label.
    pub async fn tick(&self, label: &str) {
        let option = format!("//label[starts-with(normalize-space(), '{label}')]");
        let element = self.find(By::XPath(option)).await;
        element.click().await.expect("it can be clicked");
    }

    /// The text of the first such element.
    pub async fn text(&self, css: &str) -> String {
        let element = self.find(By::Css(css)).await;
        element.text().await.expect("an element")
    }

    async fn leave_by(&self, by: By) {
        let page = self.find(By::Css("html")).await;
        let element = self.find(by).await;
        element.click().await.expect("it can be clicked");
        let left = page.wait_until().wait(SHOWN_WITHIN, LOOK_EVERY);
        left.stale().await.expect("another page");
    }

    async fn find(&self, by: By) -> WebElement {
        let shown = self.driver().query(by).and_displayed();
        let found = shown.wait(SHOWN_WITHIN, LOOK_EVERY).first().await;
        match found {
            Ok(element) => element,
            Err(cause) => {
                let text = self.driver().source().await.unwrap_or_default();
                panic!("{cause}\n{text}");
            }
        }
    }

    /// Ends it in good order.
    pub async fn close(mut self) {
        let driver = self.driver.take().expect("it is open");
        driver.quit().await.expect("it closes");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            let _ = driver.leak();
        }
        let _ = killpg(self.group, Signal::SIGKILL);
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
