"""Mails: sent by a worker, because a mail server may take its time."""

import os
import smtplib
from email.message import EmailMessage

from examples.webteam.app import app


@app.task
def send_mail(to: str, subject: str, text: str) -> str:
    """Send a mail and return its Message-ID."""
    message = EmailMessage()
    message["From"] = "shop@example.com"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{send_mail.request.id}@example.com>"
    message.set_content(text)
    host, _, port = os.environ["WEBTEAM_MAIL_SERVER"].partition(":")
    with smtplib.SMTP(host, int(port), timeout=10) as server:
        server.send_message(message)
    return str(message["Message-ID"])
