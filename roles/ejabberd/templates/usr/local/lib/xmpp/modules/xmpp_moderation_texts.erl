%% SPDX-License-Identifier: GPL-3.0-or-later
%% What moderators read, and those who wait for them, in the languages of the site.
-module(xmpp_moderation_texts).
-export([text/3, all/1]).

%% In the language that the app asks for, else the server's.
text(Language, Key, Values) ->
    {English, German} = text(Key),
    Format = case xmpp_language:choose(Language) of
                 <<"de">> -> German;
                 _ -> English
             end,
    unicode:characters_to_binary(io_lib:format(Format, Values)).

%% For a message to somebody who has not asked: in each language, the server's first.
all(Key) ->
    Own = xmpp_language:choose(<<>>),
    [{Language, text(Language, Key, [])} || Language <- [Own | [<<"de">>, <<"en">>] -- [Own]]].

%% Names of the commands, and what their forms say.
text({name, reports}) -> {"Open reports", "Offene Meldungen"};
text({name, waiting}) -> {"Who waits to be let in", "Wer auf Freischaltung wartet"};
text({name, account}) -> {"Look up an account", "Konto nachschlagen"};
text({name, ban}) -> {"Ban an account", "Konto sperren"};
text({name, unban}) -> {"Lift a ban", "Sperre aufheben"};
text({name, sessions}) -> {"End the sessions of an account", "Sitzungen eines Kontos beenden"};
text({name, upload}) -> {"Delete an uploaded file", "Hochgeladene Datei löschen"};
text({name, destroy}) -> {"Destroy a public room", "Öffentlichen Raum auflösen"};
text({name, outcast}) -> {"Ban somebody from a public room", "Aus einem öffentlichen Raum aussperren"};
text({name, reset}) -> {"Make a link for a new password", "Link für ein neues Passwort erstellen"};
text({name, invite}) -> {"Make an invitation", "Einladung erstellen"};
text({help, reports}) -> {"Mark those that are done. They are deleted.", "Markiere, was erledigt ist. Es wird gelöscht."};
text({help, waiting}) -> {"Mark accounts, and decide about them together. A refused account is deleted, and its name is free again.",
                          "Markiere Konten und entscheide über sie gemeinsam. Ein abgelehntes Konto wird gelöscht, sein Name wird wieder frei."};
text({help, account}) -> {"Shows the day on which it was created, and whether it is banned.", "Zeigt, an welchem Tag es entstanden und ob es gesperrt ist."};
text({help, ban}) -> {"Ends all sessions and refuses logins. Only moderators and the operator see the reason.",
                      "Beendet alle Sitzungen und lehnt Anmeldungen ab. Den Grund sehen nur Moderation und Betreibende."};
text({help, unban}) -> {"The account can log in again.", "Das Konto kann sich wieder anmelden."};
text({help, sessions}) -> {"Apps that know the password log in again.", "Apps, die das Passwort kennen, melden sich wieder an."};
text({help, upload}) -> {"By the link that was sent. Copies on devices remain.", "Über den Link, der verschickt wurde. Kopien auf Geräten bleiben."};
text({help, destroy}) -> {"Its archive is deleted with it. Those who are in the room read the reason.",
                          "Sein Archiv wird mit gelöscht. Wer im Raum ist, liest den Grund."};
text({help, outcast}) -> {"An account here, or an address on another server.", "Ein Konto hier oder eine Adresse auf einem anderen Server."};
text({help, reset}) -> {"Whoever opens the link has the account: give it to nobody but its owner, who is told that it was made.",
                        "Wer den Link öffnet, hat das Konto: Gib ihn nur der Person, der es gehört. Sie erfährt, dass er erstellt wurde."};
text({help, invite}) -> {"A link for one new account.", "Ein Link für ein neues Konto."};
text({field, account}) -> {"Address", "Adresse"};
text({field, reason}) -> {"Reason", "Grund"};
text({field, link}) -> {"Link", "Link"};
text({field, room}) -> {"Room", "Raum"};
text({field, done}) -> {"Done", "Erledigt"};
text({field, accounts}) -> {"Accounts", "Konten"};
text({field, decision}) -> {"Decision", "Entscheidung"};
text({decision, admit}) -> {"Let them in", "Freischalten"};
text({decision, refuse}) -> {"Refuse and delete", "Ablehnen und löschen"};
%% What was done.
text(looked_up) -> {"~ts", "~ts"};
text(created) -> {"Created: ~ts", "Entstanden: ~ts"};
text(created_or_earlier) -> {"Created: ~ts or earlier", "Entstanden: ~ts oder früher"};
text(is_banned) -> {"Banned: ~ts", "Gesperrt: ~ts"};
text(is_not_banned) -> {"Not banned", "Nicht gesperrt"};
text(banned) -> {"~ts is banned.", "~ts ist gesperrt."};
text(unbanned) -> {"~ts is no longer banned.", "~ts ist nicht mehr gesperrt."};
text(sessions_ended) -> {"~ts sessions of ~ts are ended.", "~ts Sitzungen von ~ts sind beendet."};
text(file_deleted) -> {"The file is deleted.", "Die Datei ist gelöscht."};
text(destroyed) -> {"The room ~ts is destroyed.", "Der Raum ~ts ist aufgelöst."};
text(shut_out) -> {"~ts is banned from ~ts.", "~ts ist ausgesperrt aus ~ts."};
text(reset_made) -> {"The link works once, and replaces earlier ones for ~ts.", "Der Link gilt einmal und ersetzt frühere für ~ts."};
text(reset_told) -> {"A moderator has made a link to set a new password for this account. If you have not asked for it, write to the people who run"
                     " the service.",
                     "Die Moderation hat einen Link erstellt, um für dieses Konto ein neues Passwort zu setzen. Wenn du nicht darum gebeten hast,"
                     " schreibe den Betreibenden."};
text(invite_made) -> {"The link is for one account.", "Der Link gilt für ein Konto."};
text(link) -> {"~ts", "~ts"};
text(new_report) -> {"There is a new report. Read it on this service's web site, under /moderation, or among the commands of this server in your app.",
                     "Es gibt eine neue Meldung. Du findest sie auf der Website dieses Dienstes unter /moderation oder in deiner App unter den Befehlen"
                     " dieses Servers."};
text(no_reports) -> {"There are no open reports.", "Es gibt keine offenen Meldungen."};
text(report) -> {"~ts. ~ts, ~ts\nabout: ~ts\nby: ~ts~ts", "~ts. ~ts, ~ts\nüber: ~ts\nvon: ~ts~ts"};
text(more_reports) -> {"~ts reports are open, these are the oldest.", "~ts Meldungen sind offen, dies sind die ältesten."};
text(reports_closed) -> {"Closed: ~ts", "Erledigt: ~ts"};
text(nobody_waits) -> {"Nobody waits to be let in.", "Niemand wartet auf Freischaltung."};
text(waits) -> {"~ts, since ~ts~ts", "~ts, seit ~ts~ts"};
text(more_wait) -> {"~ts accounts wait, these have waited longest.", "~ts Konten warten, diese am längsten."};
text(admitted) -> {"Let in: ~ts", "Freigeschaltet: ~ts"};
text(turned_away) -> {"Refused and deleted: ~ts", "Abgelehnt und gelöscht: ~ts"};
text(somebody_waits) -> {"Somebody has registered and waits to be let in. Your app shows who, among the commands of this server (XEP-0050).",
                         "Jemand hat sich registriert und wartet auf Freischaltung. Wer, zeigt deine App bei den Befehlen dieses Servers (XEP-0050)."};
%% For whoever registers (mod_xmpp_registration_review).
text({review, label}) -> {"Who are you, and why would you like an account here?", "Wer bist du, und warum möchtest du hier ein Konto?"};
text({review, help}) -> {"The people who run this service read your sentence and decide whether to let you in. Until then the account waits, and you cannot log in.",
                         "Die Betreibenden lesen deinen Satz und entscheiden, ob sie dich freischalten. Bis dahin wartet das Konto, und du kannst dich noch nicht"
                         " anmelden."};
text({review, missing}) -> {"Please write a sentence about yourself to the people who run this service: they decide whether to let you in.",
                            "Bitte schreib den Betreibenden einen Satz über dich: Sie entscheiden, ob sie dich freischalten."};
text({review, too_long}) -> {"Your sentence is too long. Please write at most ~ts characters.",
                             "Dein Satz ist zu lang. Bitte schreib höchstens ~ts Zeichen."};
text({review, full}) -> {"Too many new accounts wait to be let in, so the server takes no more just now. Please come back in a few days. With an"
                         " invitation you need not wait.",
                         "Zu viele neue Konten warten auf Freischaltung, deshalb nimmt der Server gerade keine weiteren an. Bitte versuch es in ein paar"
                         " Tagen noch einmal. Mit einer Einladung musst du nicht warten."};
text({review, waits}) -> {"Your password is right, but your account is still waiting: the people who run this service have not let you in yet. Please try again later.",
                          "Dein Passwort stimmt, aber dein Konto wartet noch darauf, dass die Betreibenden es freischalten. Bitte versuch es"
                          " später noch einmal."};
%% Why nothing was done.
text(no_account) -> {"There is no such account.", "Dieses Konto gibt es nicht."};
text(no_reason) -> {"Please say why.", "Bitte gib einen Grund an."};
text(not_banned) -> {"This account is not banned.", "Dieses Konto ist nicht gesperrt."};
text(spared) -> {"This belongs to an administrator or a moderator. Ask the operator.",
                 "Das gehört jemandem aus Verwaltung oder Moderation. Frage die Betreibenden."};
text(spared_room) -> {"This room belongs to an administrator or a moderator. Ask the operator.",
                      "Dieser Raum gehört jemandem aus Verwaltung oder Moderation. Frage die Betreibenden."};
text(only_owner) -> {"Nobody else owns the room. Destroy it, or ask the operator.",
                     "Der Raum gehört sonst niemandem. Löse ihn auf oder frage die Betreibenden."};
text(no_link) -> {"This is no link to a file on this server.", "Das ist kein Link zu einer Datei auf diesem Server."};
text(no_file) -> {"There is no such file any more.", "Diese Datei gibt es nicht mehr."};
text(no_room) -> {"There is no such public room.", "Diesen öffentlichen Raum gibt es nicht."};
text(incomplete) -> {"Please fill in every field.", "Bitte fülle alle Felder aus."};
text(too_many) -> {"That was much at once. Please try again later.", "Das war viel auf einmal. Bitte versuch es später noch einmal."};
text(failed) -> {"That did not work. Please ask the operator.", "Das hat nicht geklappt. Bitte frage die Betreibenden."}.
