# Höflich („Sie“), kurz, ohne Fachwörter.

## Everywhere

skip = Zum Inhalt springen
account-nav = Konto
language-nav = Sprache
open-console = Konsole öffnen
sign-in = Anmelden
sign-up = Registrieren
email = E-Mail-Adresse
password = Passwort
new-password = Neues Passwort
show-password = Passwort anzeigen
optional = kann leer bleiben
code = Code
password-hint = Mindestens { $count } Zeichen. Ein kurzer Satz eignet sich gut.
outbox-hint = Diese Installation verschickt keine E-Mails: Den Code finden ihre Betreiber im { $link }.
outbox-link = Postausgang
powered-by = Anmeldung über { $product }
privacy = Datenschutz
terms = Nutzungsbedingungen
support = Hilfe

## Signing in and out

login-sub = Willkommen zurück.
login-forgot = Passwort vergessen?
login-new = Neu hier?
login-create = Konto anlegen
login-again-heading = Erneut anmelden
login-again-sub = Die nächste Seite ändert, wie Sie sich anmelden. Bestätigen Sie deshalb noch einmal, dass Sie es sind.
login-organisation = Mit Ihrer Organisation anmelden
login-passkey = Mit einem Passkey anmelden
login-other-ways = Andere Wege, sich anzumelden
login-continue = Weiter mit { $name }
provider-over = Diese Anmeldung ist vorbei oder wurde in einem anderen Browser begonnen. Bitte beginnen Sie noch einmal.
provider-again = Im selben Moment kam jemand auf demselben Weg. Bitte beginnen Sie noch einmal.
provider-denied = Sie wurden nicht mit { $name } angemeldet: Es wurde dort nicht erlaubt.
provider-failed = { $name } hat Sie nicht angemeldet. Versuchen Sie es noch einmal, oder wählen Sie einen anderen Weg.
provider-unavailable = Die Anmeldung mit { $name } ist zurzeit nicht möglich. Versuchen Sie es noch einmal, oder wählen Sie einen anderen Weg.
provider-connected = { $name } ist verbunden.
provider-taken = Dieses Konto dort ist schon mit jemandem verbunden.
provider-unverified = Der Anbieter bestätigt Ihre E-Mail-Adresse nicht. Bestätigen Sie sie dort, oder melden Sie sich mit Ihrem Passwort an.
provider-domain = Dieser Anbieter darf niemanden mit Ihrer E-Mail-Adresse anmelden: Sein Inhaber hat nicht nachgewiesen, dass ihm die Domain gehört.
provider-connect-first = Es gibt schon ein Konto mit Ihrer E-Mail-Adresse. Melden Sie sich zuerst mit Ihrem Passwort an, und verbinden Sie dann den Anbieter auf der Seite Ihres Kontos.
provider-no-account = Sie haben hier noch kein Konto, und dieser Anbieter legt keine an. Bitten Sie um eine Einladung.
provider-no-member = Sie gehören nicht zu dem Mandanten dieses Anbieters. Bitten Sie um eine Einladung.
provider-member-disabled = Ihre Mitgliedschaft ist gesperrt. Wenden Sie sich an einen Inhaber.
provider-account-disabled = Dieses Konto ist gesperrt. Wenden Sie sich an die Betreiber.
provider-runs-platform = Wer die Plattform betreibt, meldet sich nicht über den Anbieter eines Mandanten an.
passkey-failed = Das Gerät hat nicht geantwortet. Versuchen Sie es noch einmal, oder wählen Sie einen anderen Weg.
passkey-title = Passkey anlegen
passkey-sub = Melden Sie sich als { $email } mit Fingerabdruck, Gesicht oder Geräte-PIN an. Hier wird nichts gespeichert, was sich erraten oder stehlen ließe.
passkey-needs-script = Passkeys brauchen JavaScript, das dieser Browser nicht ausführt.
passkey-known = Dieses Gerät hat schon einen Passkey für Ihr Konto.
passkey-name = Bezeichnung
passkey-name-hint = Um ihn von anderen zu unterscheiden, etwa „Adas Telefon“.
passkey-make = Anlegen
passkey-not-now = Nicht jetzt
passkey-ready = Der Passkey ist bereit: Melden Sie sich beim nächsten Mal damit an.
error-passkey-made = Der Passkey konnte nicht angelegt werden. Versuchen Sie es noch einmal oder mit einem anderen Gerät.
second-title = Noch ein Schritt
second-sub = Geben Sie den Code ein, den Ihre Authenticator-App anzeigt.
second-recovery-sub = Geben Sie einen der Wiederherstellungscodes ein, die Sie aufbewahrt haben.
second-recovery = Wiederherstellungscode
second-lost = Verloren?
second-use-recovery = Wiederherstellungscode verwenden
second-use-authenticator = Stattdessen die App verwenden
second-again = Von vorn beginnen
logout-title = Abmelden?
logout-sub = Eine Anwendung möchte Sie hier abmelden.
logout-button = Abmelden
logout-stay = Angemeldet bleiben

## Signing up

signup-title = Konto anlegen
signup-sub = Nur ein Schritt, dann ein Code per E-Mail.
signup-tenant = Firma oder Team
signup-tenant-hint = Ihr Mandant: Zu ihm gehören Schlüssel, Tarife und Nutzung.
signup-known = Sie haben schon ein Konto?
signup-for = Für { $name }.
signup-passkey = Stattdessen mit einem Passkey registrieren
closed-heading = { $name } ist nur für Eingeladene
closed-sub = Bei dieser Anwendung registriert man sich nicht selbst. Bitten Sie die Betreiber um eine Einladung; die E-Mail, die Sie erhalten, führt Sie weiter.
closed-known = Sie haben schon ein Konto?
confirm-title = E-Mail-Adresse bestätigen
confirm-heading = Sehen Sie in Ihr Postfach
confirm-sub = Wir haben einen sechsstelligen Code an { $email } geschickt.
confirm-button = Bestätigen
confirm-no-code = Kein Code angekommen?
confirm-resend = Neuen Code senden
confirm-or = oder
confirm-change = Adresse ändern
confirm-resent = Ein neuer Code ist unterwegs.
confirm-welcome = Willkommen. { $tenant } ist eingerichtet.

## A forgotten password

forgot-title = Passwort vergessen
forgot-heading = Passwort zurücksetzen
forgot-sub = Geben Sie Ihre E-Mail-Adresse ein. Wir schicken Ihnen einen Code.
forgot-button = Code senden
forgot-back = Zurück zur Anmeldung
reset-title = Neues Passwort festlegen
reset-sub = Falls es zu { $email } ein Konto gibt, ist ein sechsstelliger Code dorthin unterwegs.
reset-hint = Mindestens { $count } Zeichen. Überall sonst werden Sie abgemeldet.
reset-button = Passwort speichern
reset-no-code = Kein Code angekommen?
reset-again = Neuen Code anfordern
reset-done = Ihr Passwort ist geändert. Melden Sie sich mit dem neuen an.

## On the way to an application

consent-title = Weiter zu { $client }
consent-choice = Wohin?
consent-choice-sub = Sie gehören zu mehreren Mandanten. Wählen Sie, für welchen Sie { $client } nutzen möchten.
consent-heading = { $client } Zugriff erlauben?
consent-sub = { $client } ist von { $publisher } und möchte Ihr Konto { $email } verwenden.
consent-tenant = Nutzen für
consent-scopes = Die Anwendung darf dann
consent-allow = Erlauben
consent-deny = Ablehnen
consent-go-on = Weiter
consent-cancel = Abbrechen
consent-joins = Damit werden Sie Benutzer von { $tenant }.
consent-destination = Danach geht es zurück zu { $destination }.
consent-signed-in = Angemeldet als { $email }.
scope-openid = Wissen, wer Sie sind
scope-profile = Ihren Namen, Ihre Rolle und Ihre Gruppen sehen
scope-email = Ihre E-Mail-Adresse sehen
scope-offline_access = Weiterarbeiten, wenn Sie abgemeldet sind
scope-other = { $scope } in Ihrem Namen nutzen
go-on-title = Weiter
go-on-heading = Es geht weiter …
go-on-sub = Falls nichts geschieht, folgen Sie dem Link.
go-on-link = Weiter

## Invitations

invitation-title = Einladung
invitation-heading = { $tenant } beitreten
invitation-sub = Sie sind mit der Rolle { $role } eingeladen.
invitation-signed-in = Sie sind als { $email } angemeldet.
invitation-name = Ihr Name
invitation-password-hint = Mindestens { $count } Zeichen.
invitation-button = Konto anlegen und beitreten
invitation-known = Sie haben schon ein Konto?
invitation-sign-in = Anmelden und annehmen
invitation-welcome = Willkommen bei { $tenant }.
invitation-other = Sie sind als { $email } angemeldet, und diese Einladung ging an eine andere Adresse.
invitation-sign-out = Abmelden und hierher zurückkehren
role-owner = Inhaber
role-admin = Administrator
role-developer = Entwickler
role-viewer = Betrachter
role-user = Benutzer

## What is wrong with a form

error-email-required = Geben Sie Ihre E-Mail-Adresse ein.
error-password-required = Geben Sie Ihr Passwort ein.
error-tenant-required = Geben Sie den Namen Ihrer Firma oder Ihres Teams ein.
error-code-format = Geben Sie die sechs Ziffern aus der E-Mail ein.
error-code-wrong = Dieser Code ist falsch oder abgelaufen. Prüfen Sie ihn, oder fordern Sie einen neuen an.
error-sign-in = E-Mail-Adresse oder Passwort stimmt nicht. Nach mehreren falschen Passwörtern pausiert die Anmeldung eine Weile; ein neues Passwort beendet die Pause.
error-too-many = Das waren zu viele Versuche. Warten Sie { $length }, und versuchen Sie es dann noch einmal.
error-choose-tenant = Wählen Sie einen davon.
error-wrong-account = Diese Einladung gilt für eine andere Adresse. Melden Sie sich ab, und öffnen Sie den Link noch einmal.
error-has-account = Sie haben schon ein Konto: Melden Sie sich an, um anzunehmen.
error-passkey = Dieser Passkey ist hier nicht bekannt, oder die Antwort kam zu spät. Melden Sie sich mit Ihrem Passwort an, oder versuchen Sie es noch einmal.
error-no-provider = Keine Organisation meldet sich mit Adressen dieser Domain an. Geben Sie Ihre dienstliche Adresse ein, oder melden Sie sich mit Ihrem Passwort an.
error-other-domain = Mit dieser Adresse kann man sich hier nicht registrieren. Verwenden Sie Ihre dienstliche Adresse, oder fragen Sie die Betreiber der Anwendung.
error-second-step = Dieser Code stimmt nicht oder wurde schon verwendet. Nach mehreren falschen Codes pausiert die Anmeldung eine Weile.
error-email-invalid = Geben Sie eine E-Mail-Adresse ein, zum Beispiel ada@example.com.
error-required = Füllen Sie dieses Feld aus.
error-too-short = Verwenden Sie mindestens { $count } Zeichen. Ein paar Wörter genügen.
error-too-long = Verwenden Sie höchstens { $count } Zeichen.
error-line-invalid = Verwenden Sie einfachen Text ohne Zeilenumbrüche und unsichtbare Zeichen.
error-password-common = Dieses Passwort wird mit als Erstes ausprobiert. Nehmen Sie ein paar Wörter, die nicht zusammengehören, oder was ein Passwortmanager vorschlägt.
error-password-personal = Lassen Sie Ihre Adresse und unseren Namen weg: Damit beginnt, wer rät.

## Problems

problem-console = Zur Konsole
problem-home = Startseite
problem-request-id = Kennung der Anfrage
problem-form-expired-title = Dieses Formular ist abgelaufen
problem-form-expired-detail = Das Formular ist veraltet oder kam von einer anderen Website. Es wurde nichts geändert.
problem-form-expired-advice = Gehen Sie zurück, laden Sie die Seite neu, und senden Sie das Formular noch einmal ab.
problem-form-too-large-title = Dieses Formular ist zu groß
problem-form-too-large-detail = So große Formulare gibt es hier nicht.
problem-form-too-large-advice = Gehen Sie zurück, und versuchen Sie es noch einmal.
problem-link-title = Dieser Link funktioniert nicht
problem-link-detail = Die Anwendung hat Sie mit einem falschen Link hierher geschickt: { $reason }.
problem-link-advice = Sagen Sie den Betreibern der Anwendung Bescheid. Dieser Text nennt ihnen die Ursache.
problem-invitation-title = Diese Einladung gilt nicht mehr
problem-invitation-detail = Sie wurde schon benutzt, zurückgezogen oder ersetzt, oder sie ist abgelaufen.
problem-invitation-advice = Bitten Sie um eine neue Einladung.
problem-not-found-title = Seite nicht gefunden
problem-not-found-detail = Unter dieser Adresse gibt es nichts, oder Sie haben keinen Zugriff darauf.
problem-not-found-advice = Prüfen Sie die Adresse: Vielleicht enthält sie einen Tippfehler.
problem-method-title = Das geht hier nicht
problem-method-detail = Diese Seite lässt sich so nicht verwenden.
problem-method-advice = Gehen Sie zurück, und versuchen Sie es noch einmal.
problem-unavailable-title = Es kommt keine Antwort
problem-unavailable-detail = Die Datenbank ist nicht erreichbar.
problem-unavailable-advice = Versuchen Sie es in einer Minute noch einmal. Die Gateways arbeiten inzwischen weiter.
problem-internal-title = Etwas ist schiefgegangen
problem-internal-detail = Der Fehler liegt bei uns; er ist unter der Kennung dieser Anfrage protokolliert.
problem-internal-advice = Versuchen Sie es in einer Minute noch einmal. Bleibt es dabei, nennen Sie den Betreibern die Kennung der Anfrage.

## Lengths and instants

length-seconds = { $count ->
    [one] { $count } Sekunde
   *[other] { $count } Sekunden
}
length-minutes = { $count ->
    [one] { $count } Minute
   *[other] { $count } Minuten
}
length-hours = { $count ->
    [one] { $count } Stunde
   *[other] { $count } Stunden
}
length-days = { $count ->
    [one] { $count } Tag
   *[other] { $count } Tage
}
instant = { $day }. { $month ->
    [1] Januar
    [2] Februar
    [3] März
    [4] April
    [5] Mai
    [6] Juni
    [7] Juli
    [8] August
    [9] September
    [10] Oktober
    [11] November
   *[12] Dezember
} { $year }, { $time } Uhr (UTC)
