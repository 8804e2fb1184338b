# The pages that people of applications see. Keys are the same in every language.

## Everywhere

skip = Skip to content
account-nav = Account
language-nav = Language
open-console = Open console
sign-in = Sign in
sign-up = Sign up
email = Email
password = Password
new-password = New password
show-password = Show password
optional = optional
code = Code
password-hint = At least { $count } characters. A short sentence works well.
outbox-hint = This stack sends no mail: an operator finds the code in the { $link }.
outbox-link = outbox
powered-by = Sign-in by { $product }
privacy = Privacy
terms = Terms
support = Help

## Signing in and out

login-sub = Welcome back.
login-forgot = Forgot your password?
login-new = New here?
login-create = Create an account
login-again-heading = Sign in again
login-again-sub = The next page changes how you sign in, so prove once more that it is you.
login-organisation = Sign in with your organisation
login-passkey = Sign in with a passkey
login-other-ways = Other ways to sign in
login-continue = Continue with { $name }
provider-over = This sign-in is over, or was begun in another browser. Please begin again.
provider-again = Somebody came the same way at the same moment. Please begin again.
provider-denied = You were not signed in with { $name }: it was not allowed there.
provider-failed = { $name } did not sign you in. Try again, or use another way.
provider-unavailable = Signing in with { $name } does not work at the moment. Try again, or use another way.
provider-connected = { $name } is connected.
provider-taken = This account there is connected to somebody already.
provider-unverified = The provider does not vouch for your email address. Confirm it there, or sign in with your password.
provider-domain = This provider may not sign in people with your email address: its owner has not proven that the domain is theirs.
provider-connect-first = There is an account with your email address already. Sign in with your password first, then connect the provider on the page of your account.
provider-no-account = There is no account for you here yet, and this provider does not make any. Ask to be invited.
provider-no-member = You are no member of the tenant that this provider is of. Ask to be invited.
provider-member-disabled = Your membership is disabled. Ask an owner of the tenant.
provider-account-disabled = This account is disabled. Ask who runs the platform.
provider-runs-platform = Who runs the platform does not sign in through a tenant’s provider.
passkey-failed = The device did not answer. Try again, or choose another way.
passkey-title = Make a passkey
passkey-sub = Sign in as { $email } with your fingerprint, face or device PIN. Nothing that could be guessed or stolen is stored here.
passkey-needs-script = Passkeys need JavaScript, which this browser does not run.
passkey-known = This device has a passkey for your account already.
passkey-name = Name
passkey-name-hint = To tell it from others, such as “Ada’s phone”.
passkey-make = Make passkey
passkey-not-now = Not now
passkey-ready = The passkey is ready: next time, sign in with it.
error-passkey-made = The passkey could not be made. Try again, or with another device.
second-title = One more step
second-sub = Enter the code that your authenticator application shows.
second-recovery-sub = Enter one of the recovery codes that you kept.
second-recovery = Recovery code
second-lost = Lost it?
second-use-recovery = Use a recovery code
second-use-authenticator = Use the authenticator instead
second-again = Start again
logout-title = Sign out?
logout-sub = An application asks to sign you out here.
logout-button = Sign out
logout-stay = Stay signed in

## Signing up

signup-title = Create your account
signup-sub = One step, then a code by email.
signup-tenant = Company or team
signup-tenant-hint = Your tenant: what keys, plans and usage belong to.
signup-known = Already have an account?
signup-for = To use { $name }.
signup-passkey = Sign up with a passkey instead
closed-heading = { $name } is for those who are invited
closed-sub = New people do not sign up at this application by themselves. Ask those who run it to invite you; the mail that you get leads on.
closed-known = You have an account already?
confirm-title = Confirm your email
confirm-heading = Check your email
confirm-sub = We sent a six-digit code to { $email }.
confirm-button = Confirm
confirm-no-code = No code?
confirm-resend = Send a new one
confirm-or = or
confirm-change = change the address
confirm-resent = A new code is on its way.
confirm-welcome = Welcome. { $tenant } is set up.

## A forgotten password

forgot-title = Forgot password
forgot-heading = Reset your password
forgot-sub = Enter your address and we send you a code.
forgot-button = Send code
forgot-back = Back to sign in
reset-title = Set a new password
reset-sub = If there is an account for { $email }, a six-digit code is on its way to it.
reset-hint = At least { $count } characters. You are signed out everywhere else.
reset-button = Set password
reset-no-code = No code?
reset-again = Ask for a new one
reset-done = Your password is changed. Sign in with the new one.

## On the way to an application

consent-title = Go on to { $client }
consent-choice = Where to?
consent-choice-sub = You belong to several tenants. Choose the one to use { $client } for.
consent-heading = Allow { $client }?
consent-sub = { $client } is by { $publisher } and wants to use your account { $email }.
consent-tenant = Use it for
consent-scopes = It will be able to
consent-allow = Allow
consent-deny = Deny
consent-go-on = Go on
consent-cancel = Cancel
consent-joins = You become a user of { $tenant } by it.
consent-destination = You come back to { $destination }.
consent-signed-in = Signed in as { $email }.
scope-openid = Know who you are
scope-profile = See your name, your role and your groups
scope-email = See your email address
scope-offline_access = Go on when you have signed out
scope-other = Use { $scope } for you
go-on-title = Going on
go-on-heading = Going on …
go-on-sub = If nothing happens, follow the link.
go-on-link = Go on

## Invitations

invitation-title = Invitation
invitation-heading = Join { $tenant }
invitation-sub = You are invited as { $role }.
invitation-signed-in = You are signed in as { $email }.
invitation-name = Your name
invitation-password-hint = At least { $count } characters.
invitation-button = Create account and join
invitation-known = Have an account?
invitation-sign-in = Sign in to accept
invitation-welcome = Welcome to { $tenant }.
invitation-other = You are signed in as { $email }, and this invitation went to another address.
invitation-sign-out = Sign out and come back here
role-owner = Owner
role-admin = Admin
role-developer = Developer
role-viewer = Viewer
role-user = User

## What is wrong with a form

error-email-required = Enter your email address.
error-password-required = Enter your password.
error-tenant-required = Enter the name of your company or team.
error-code-format = Enter the six digits from the email.
error-code-wrong = This code is wrong or has expired. Check it, or ask for a new one.
error-sign-in = Email or password is not right. After several wrong passwords, sign-in pauses for a while; a new password ends the pause.
error-too-many = That was tried too often. Wait { $length }, then try again.
error-choose-tenant = Choose one of them.
error-wrong-account = This invitation is for another address. Sign out, and open the link again.
error-has-account = You have an account already: sign in to accept.
error-passkey = This passkey is not known here, or its answer came too late. Sign in with your password, or try again.
error-no-provider = No organisation signs in with addresses of this domain. Enter your work address, or sign in with your password.
error-other-domain = People with this address do not sign up here. Use your address at work, or ask those who run the application.
error-second-step = This code is not right, or was used already. After several wrong codes, sign-in pauses for a while.
error-email-invalid = Enter an email address, such as ada@example.com.
error-required = Enter a value.
error-too-short = Use at least { $count } characters. A few words will do.
error-too-long = Use at most { $count } characters.
error-line-invalid = Use plain text without line breaks or invisible characters.
error-password-common = This is one of the first that is tried. Take a few words that do not belong together, or what a password manager makes.
error-password-personal = Leave your address and our name out: whoever guesses begins with them.

## Problems

problem-console = Go to the console
problem-home = Home
problem-request-id = Request id
problem-form-expired-title = This form has expired
problem-form-expired-detail = This form is out of date or was sent from another site; nothing was changed.
problem-form-expired-advice = Go back, reload the page and send the form again.
problem-form-too-large-title = This form is too large
problem-form-too-large-detail = The form is larger than any of ours.
problem-form-too-large-advice = Go back and try again.
problem-link-title = This link does not work
problem-link-detail = The application sent you here with a wrong link: { $reason }.
problem-link-advice = Tell those who run the application; they find the cause in this text.
problem-invitation-title = This invitation is not open
problem-invitation-detail = It was used, withdrawn or replaced, or it ran out.
problem-invitation-advice = Ask whoever invited you for a new one.
problem-not-found-title = Page not found
problem-not-found-detail = There is nothing at this address, or you have no access to it.
problem-not-found-advice = Check the address: it may be mistyped.
problem-method-title = That does not work here
problem-method-detail = This page cannot be used that way.
problem-method-advice = Go back and try again.
problem-unavailable-title = The database cannot be reached
problem-unavailable-detail = What this page needs does not answer at the moment.
problem-unavailable-advice = Try again in a minute. Gateways keep serving meanwhile.
problem-internal-title = Something went wrong
problem-internal-detail = Something went wrong on our side; the log has it under this request id.
problem-internal-advice = Try again in a minute. If it stays, tell your operator the request id.

## Lengths and instants

length-seconds = { $count ->
    [one] { $count } second
   *[other] { $count } seconds
}
length-minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
}
length-hours = { $count ->
    [one] { $count } hour
   *[other] { $count } hours
}
length-days = { $count ->
    [one] { $count } day
   *[other] { $count } days
}
instant = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[12] Dec
} { $year }, { $time } UTC
