"""What is wrong with a deployment, or will be: facts gathered from AWS and Celery, and findings."""

from celery_aws.doctor.diagnosis import diagnose
from celery_aws.doctor.facts import Role
from celery_aws.doctor.finding import Finding, Severity
from celery_aws.doctor.report import Report

__all__ = ["Finding", "Report", "Role", "Severity", "diagnose"]
